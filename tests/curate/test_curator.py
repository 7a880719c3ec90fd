import pytest
from curating import judge, outcome, task

from synthgen.curate.curator import Curator
from synthgen.errors import UserError
from synthgen.records import Completion, Rejected, Request, Sample, Sampling
from synthgen.seeds import short_id

GOOD = "The harbour scenes glow and the two leads make every quiet minute count."
OTHER = "Half the jokes were old when my grandfather told them on the night train."


def test_an_accepted_text_becomes_a_sample() -> None:
    verdict = judge(Curator(task()), f"Sure, here is a review: {GOOD}")
    assert verdict == Sample(short_id("r1", GOOD), GOOD, "positive", "opt", 2, "r1")


def test_a_rejected_text_is_kept_as_it_came() -> None:
    verdict = judge(Curator(task()), "1. Too short.\n")
    assert verdict == Rejected("r1", "1. Too short.\n", "positive", "opt", 2, "too_short")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "too_short"),
        (" \n ", "too_short"),
        ("!!! ... ???", "too_short"),
        ("Nine words are one too few for this.", "too_short"),
        ("and then the second act introduces a character named ", "unfinished"),
        ("I loved <C> from the first minute to the very last one.", "placeholder"),
        ("I loved <movie title> from the first minute to the very last one.", "placeholder"),
        ("I loved [insert title here] from the first minute to the very last one.", "placeholder"),
        ("I loved [Actor's Name] from the first minute to the very last one.", "placeholder"),
        ("I loved {movie_name} from the first minute to the very last one.", "placeholder"),
        ("I loved (movie title) from the first minute to the very last one.", "placeholder"),
        ("I loved XXX from the first minute to the very last one of it.", "placeholder"),
        ("I loved _____ from the first minute to the very last one of it.", "placeholder"),
        ("As an AI language model I have not seen this film, but it sounds lovely.", "boilerplate"),
        ("I'd be happy to help you with a review of a film that you have seen.", "boilerplate"),
        ("I’d be happy to help you with a review of a film that you have seen.", "boilerplate"),
        ("Sure! Here is a positive movie review that you may like:", "boilerplate"),
        ("I am unable to provide a review of this film since no title was given.", "boilerplate"),
        ("A movie review reads: the cast is fine and the story moves along well.", "prompt_echo"),
        ("Fine. A movie review that is positive in tone reads: a fine film all in all.", "prompt_echo"),
        (
            "One more movie review, negative in tone and different in expression from those above, please.",
            "prompt_echo",
        ),
        ("The new movie review is a positive one about a family in the far north.", "prompt_echo"),
        ("Ce film est une perte de temps totale et je ne le recommande à personne.", "language"),
        ("A fine film with a fine cast and a fine story to tell. 这部电影非常好看", "language"),
        ("The plot is thin and the pace is slow. Je ne peux pas le recommander à mes amis.", "language"),
        (GOOD, "accepted"),
        ("I gave it 9/10; my sister said <3 and [sic] and 'wow' (as she does).", "accepted"),
        ("[T]he director puts[s] us in the position of [his] own neighbours, and it works.", "accepted"),
        ("Okay, here's the thing about this film: it has [the star] and little more.", "accepted"),
    ],
)
def test_reasons(text: str, reason: str) -> None:
    assert outcome(judge(Curator(task()), text)) == reason


def test_a_length_stop_without_a_sentence_is_unfinished() -> None:
    assert outcome(judge(Curator(task()), GOOD.rstrip("."), finish="length")) == "unfinished"
    assert outcome(judge(Curator(task()), GOOD + " And", finish="length")) == "accepted"


def test_the_prompts_of_the_task_are_echoes() -> None:
    text = "A question to an online bank about activate my card reads: where is my card?"
    assert outcome(judge(Curator(task("banking77")), text, "activate_my_card")) == "prompt_echo"


def test_language_none_takes_any_language() -> None:
    text = "Ce film est une perte de temps totale et je ne le recommande à personne."
    assert outcome(judge(Curator(task(language=None)), text)) == "accepted"
    assert outcome(judge(Curator(task(language="fr")), text)) == "accepted"
    assert outcome(judge(Curator(task(language="fr")), GOOD)) == "language"


def test_scripts_without_spaces_count_their_signs() -> None:
    assert outcome(judge(Curator(task(language="zh")), "这部电影非常好看,我很喜欢。")) == "accepted"


def test_duplicates_over_the_whole_run() -> None:
    curator = Curator(task())
    assert outcome(judge(curator, GOOD)) == "accepted"
    assert outcome(judge(curator, OTHER, "negative")) == "accepted"
    assert outcome(judge(curator, GOOD.upper().replace(".", " !"))) == "duplicate"
    assert outcome(judge(curator, GOOD, "negative")) == "two_labels"
    assert outcome(judge(curator, GOOD.replace("count", "matter"))) == "near_duplicate"
    assert outcome(judge(curator, OTHER, "negative")) == "duplicate"


def test_the_threshold_is_the_jaccard_similarity_of_word_pairs() -> None:
    # 12 pairs each, 11 shared: 11/13.
    changed = GOOD.replace("count", "matter")
    for threshold, expected in ((11 / 13, "near_duplicate"), (0.85, "accepted")):
        curator = Curator(task(), near_duplicate=threshold)
        judge(curator, GOOD)
        assert outcome(judge(curator, changed)) == expected


def test_near_duplicates_of_planted_texts_are_found() -> None:
    curator = Curator(task(language=None, min_words=1))
    texts = [" ".join(f"w{row}x{at}" for at in range(40)) for row in range(300)]
    assert all(isinstance(judge(curator, text), Sample) for text in texts)
    found = [outcome(judge(curator, text.replace("x20", "changed"))) for text in texts]
    assert found.count("near_duplicate") >= 297


def test_what_is_adopted_is_remembered() -> None:
    curator = Curator(task())
    sample = judge(Curator(task()), GOOD)
    assert isinstance(sample, Sample)
    curator.adopt(sample)
    curator.adopt(sample)
    assert outcome(judge(curator, GOOD)) == "duplicate"
    assert outcome(judge(curator, GOOD, "negative")) == "two_labels"


def test_copies_of_shown_demonstrations() -> None:
    shuffled = " ".join(reversed(GOOD.split()))
    copies = [
        GOOD.upper(),
        f"My view of it: {GOOD} And that is that.",
        "glow and the two leads make every quiet minute count.",
    ]
    curator = Curator(task())
    curator.show([GOOD, OTHER])
    assert [outcome(judge(curator, text)) for text in (*copies, shuffled)] == ["demonstration_copy"] * 4
    curator.show(["Short film"])
    assert outcome(judge(curator, "Short film of a long night in the old town by the sea.")) == "accepted"
    assert outcome(judge(curator, GOOD)) == "accepted"


def test_thirteen_words_in_a_row_are_a_copy() -> None:
    curator = Curator(task())
    curator.show([f"{GOOD} I left the cinema with a light heart and a heavy bag of sweets."])
    assert (
        outcome(judge(curator, f"{GOOD} Yet nothing of it stayed with me until the evening.")) == "demonstration_copy"
    )
    assert outcome(judge(curator, "The harbour scenes glow and the two leads are dull as dishwater.")) == "accepted"


def test_without_curation_only_empty_texts_are_rejected() -> None:
    curator = Curator(task(), enabled=False)
    curator.show([GOOD])
    texts = [GOOD, GOOD, "<C>", "Sure! Here is a review:", "hélas", 'Fine." And more']
    assert [outcome(judge(curator, text)) for text in texts] == ["accepted"] * 6
    assert outcome(judge(curator, GOOD, "negative", "length")) == "accepted"
    assert outcome(judge(curator, " \n")) == "too_short"
    verdict = judge(curator, 'Fine." And more')
    assert isinstance(verdict, Sample)
    assert verdict.text == "Fine."


def test_the_stop_string_of_the_request_cuts() -> None:
    request = Request("r9", "opt", 0, "positive", "prompt", 1, Sampling(stop="###"))
    verdict = Curator(task()).judge(request, Completion("r9", f"{GOOD} ### more", "length", 1, 1))
    assert isinstance(verdict, Sample)
    assert verdict.text == GOOD


def test_wrong_use_is_refused() -> None:
    request = Request("r1", "opt", 0, "positive", "prompt", 1)
    with pytest.raises(ValueError, match="of r2, not of r1"):
        Curator(task()).judge(request, Completion("r2", GOOD, "stop", 1, 1))
    with pytest.raises(UserError, match=r"near-duplicate threshold is 1\.5"):
        Curator(task(), near_duplicate=1.5)
    with pytest.raises(UserError, match="'english' is not known"):
        Curator(task(language="english"))
