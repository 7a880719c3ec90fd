"""Small task models and what is read from them: dynamics, influence, sample weights."""
