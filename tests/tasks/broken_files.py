"""Sound task files, and broken ones with what their check says: line, column, error or warning."""

GOOD = """\
name: notes
about: notes
labels: [early, late]
prompts:
  zero_shot: 'A note that came {label}: "'
  demonstration: "A note: {text}\\n"
  few_shot: "{demonstrations}\\nOne more that came {label}: \\""
  bad: "A weak note: {text}\\n"
  good: "A strong note: {text}\\n"
  contrastive: "{demonstrations}\\nOne more that came {label}, better: \\""
"""
PAIR = """\
name: notes
about: notes
labels: [early, late]
first: {field: text, prompt: 'A note: "'}
prompts:
  zero_shot: 'After "{first}" comes {label}: "'
  demonstration: "{text} then {text_pair}\\n"
  few_shot: '{demonstrations} After "{first}" comes {label}: "'
  bad: "weak: {text} then {text_pair}\\n"
  good: "strong: {text} then {text_pair}\\n"
  contrastive: '{demonstrations} After "{first}" comes {label}, better: "'
"""


def swapped(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


BROKEN = {
    "tabs": (
        "name: x\nlabels:\n\t- early\n\t- late\n",
        [
            "3:1 e the line is indented with a tab, which YAML does not allow; use spaces",
            "4:1 e the line is indented with a tab, which YAML does not allow; use spaces",
        ],
    ),
    "a colon without quotes": (
        swapped('"A note: {text}\\n"', "A note: {text}"),
        [
            "6:24 e not valid YAML: mapping values are not allowed here; a text with a colon in it needs quotes around "
            "it"
        ],
    ),
    "braces without quotes": (
        swapped('"A note: {text}\\n"', "{text}"),
        ["6:18 e prompts.demonstration must be text; put it in quotes"],
    ),
    "an unknown key": (
        GOOD + "colour: red\nlabel: [a, b]\n",
        ["11:1 e there is no setting colour", "12:1 e there is no setting label; did you mean labels?"],
    ),
    "unknown keys in groups": (
        GOOD
        + "curate: {min_word: 3, has: {lat: $}}\n"
        + "gold: {path: a.csv, colum: x, relabel: [{lable: late, contains: x}]}\n",
        [
            "11:10 e there is no setting min_word in curate; did you mean min_words?",
            "11:29 e curate.has names the label lat, which the task does not have; did you mean late?",
            "12:21 e there is no setting colum in gold",
            "12:41 e label is missing in gold.relabel[0]",
            "12:42 e there is no setting lable in gold.relabel[0]; did you mean label?",
        ],
    ),
    "duplicate labels": (
        swapped("[early, late]", "[early, late, early, ' ', Late]"),
        [
            "3:23 e the label early stands twice; keep one of the two",
            "3:30 e a label is blank; name it",
            "3:35 w the label Late differs from another by capital letters only",
        ],
    ),
    "numbers and truth values": (
        swapped("[early, late]", "[1, yes, off, 2.5, 2024-01-01, ~]") + "describe: {on: x}\n",
        [
            "3:10 e YAML reads 1 as a number; put it in quotes: '1'",
            "3:13 e YAML reads yes as a truth value; put it in quotes: 'yes'",
            "3:18 e YAML reads off as a truth value; put it in quotes: 'off'",
            "3:23 e YAML reads 2.5 as a number; put it in quotes: '2.5'",
            "3:28 e YAML reads 2024-01-01 as a date; put it in quotes: '2024-01-01'",
            "3:40 e YAML reads ~ as nothing; put it in quotes: '~'",
            "11:12 e YAML reads on as a truth value; put it in quotes: 'on'",
        ],
    ),
    "a key twice": (
        GOOD + "labels: [early, late, never]\n",
        ["11:1 e labels stands twice, first in line 3; keep one of the two"],
    ),
    "too few labels": (swapped("[early, late]", "[early]"), ["3:9 e labels needs at least 2 entries"]),
    "missing": (
        "name: x\n",
        [
            "1:1 e about is missing; every task needs it",
            "1:1 e labels is missing; every task needs it",
            "1:1 e prompts is missing; every task needs it",
        ],
    ),
    "a prompt without a slot": (
        swapped("A weak note: {text}", "A weak note"),
        ["8:8 e prompts.bad has no slot {text}"],
    ),
    "misspelt slots": (
        swapped("came {label}: \"'", "came {lable} { label } {return}: \"'"),
        [
            "5:14 e prompts.zero_shot has an unknown slot {lable}; did you mean {label}?",
            "5:14 e prompts.zero_shot has an unknown slot { label }; did you mean {label}?",
            "5:14 w prompts.zero_shot: {return} is no slot, and stays in the prompt as it is",
        ],
    ),
    "a slot of another prompt": (
        swapped("A note: {text}", "A {label} note: {text}"),
        ["6:18 e prompts.demonstration cannot have the slot {label}; it may have {text}"],
    ),
    "a pair's slot without pairs": (
        swapped("A strong note: {text}", "A strong note: {text} {text_pair}"),
        ["9:9 e prompts.good cannot have the slot {text_pair}; it may have {text}"],
    ),
    "pairs without their slots": (
        PAIR.replace('"{first}"', "it"),
        [
            "6:14 e prompts.zero_shot has no slot {first}",
            "8:13 e prompts.few_shot has no slot {first}",
            "11:16 e prompts.contrastive has no slot {first}",
        ],
    ),
    "attributes without their slot": (
        GOOD + "attributes: {name: size, values: [1, small]}\n",
        [
            "5:14 e prompts.zero_shot has no slot {attribute}",
            "7:13 e prompts.few_shot has no slot {attribute}",
            "10:16 e prompts.contrastive has no slot {attribute}",
            "11:35 e YAML reads 1 as a number; put it in quotes: '1'",
        ],
    ),
    "wrong kinds": (
        GOOD + "sampling: {max_tokens: many}\ncurate: {min_words: 0}\nfirst:\ngold: {hub: a/b, text: 5, limit: 2.5}\n",
        [
            "11:24 e sampling.max_tokens must be a whole number",
            "12:21 e curate.min_words must be at least 1",
            "14:24 e YAML reads 5 as a number; put it in quotes",
            "14:34 e gold.limit must be a whole number",
        ],
    ),
    "no gold or two": (
        GOOD + "gold: {hub: a/b, path: c}\n",
        ["11:7 e gold: gold data come from a hub dataset or from a path; give one of the two"],
    ),
    "shut quotes": (
        swapped('One more that came {label}: \\"', 'One more that came \\"{label}\\"'),
        [
            "7:13 e prompts.few_shot does not end in an open quote: every quote in it is closed; one must be left open "
            "at its end"
        ],
    ),
    "no quote at the end": (
        swapped("came {label}: \"'", "came {label}:'"),
        [
            "5:14 e prompts.zero_shot does not end in an open quote; end it with a double quote and nothing behind it, "
            "for a PLM closes the quote where its text ends",
        ],
    ),
    "demonstrations on one line": (
        swapped("A note: {text}\\n", "A note: {text} "),
        [
            "6:18 w prompts.demonstration does not end in a line break (\\n), so that demonstrations run into each "
            "other",
        ],
    ),
    "a label that leaks": (
        swapped("A weak note", "A weak, LATE note"),
        ["8:8 e prompts.bad names the label late ('LATE'); what is shown goes to every label, so name none"],
    ),
    "another label is named": (
        swapped("One more that came {label}: ", "One more early note that came {label}: "),
        ["7:13 w prompts.few_shot names the label early ('early') whichever it asks for; {label} may be meant"],
    ),
    "labels worded alike": (
        GOOD + "describe: {early: in time, late: In  Time}\n",
        ["11:34 e the labels early and late are worded alike in prompts ('In  Time'); describe them apart"],
    ),
    "a wording in another": (
        GOOD + "describe: {late: not early}\n",
        ["3:10 w the wording of early ('early') is part of that of late ('not early'); PLMs may mix them up"],
    ),
    "more words than tokens": (
        GOOD + "sampling: {max_tokens: 20}\ncurate: {min_words: 21}\n",
        ["12:21 e curate.min_words (21) is more than sampling.max_tokens (20): every text would be rejected"],
    ),
    "a bundled name": (
        swapped("name: notes", "name: imdb"),
        ["1:7 w imdb is also the name of a bundled task; another one keeps their runs apart"],
    ),
    "labels of no task": (
        GOOD + "gold: {hub: a/b, labels_of: agnew}\n",
        ["11:29 e gold.labels_of names the task 'agnew', which there is not; did you mean agnews?"],
    ),
    "labels that the gold has not": (
        swapped("[early, late]", "[World, late]") + "gold: {hub: a/b, labels_of: agnews}\n",
        ["3:17 e the gold data have the labels of agnews, and late is none of them"],
    ),
}
