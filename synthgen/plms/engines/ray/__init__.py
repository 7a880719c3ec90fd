"""PLMs on a Ray cluster: requests go through Ray Data to writers, each of which holds a PLM."""
