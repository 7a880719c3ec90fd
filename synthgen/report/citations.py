"""The papers a dataset rests on, as references and BibTeX. Each was looked up where it was published."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paper:
    """A publication. ``authors`` are in BibTeX's form, ``venue`` is the short one, ``arxiv`` an identifier."""

    key: str
    title: str
    authors: tuple[str, ...]
    booktitle: str
    venue: str
    year: int
    arxiv: str
    url: str
    pages: str | None = None

    def reference(self) -> str:
        """Return ``Family et al., Venue Year`` as a Markdown link; the Hub links a card to these papers."""
        first = self.authors[0].partition(",")[0]
        return f"[{first} et al., {self.venue} {self.year}](https://arxiv.org/abs/{self.arxiv})"

    def bibtex(self) -> str:
        """Return the BibTeX entry."""
        fields = {
            "title": self.title,
            "author": " and ".join(self.authors),
            "booktitle": self.booktitle,
            "pages": self.pages,
            "year": str(self.year),
            "url": self.url,
        }
        lines = [f"  {name:<9} = {{{value}}}" for name, value in fields.items() if value is not None]
        return f"@inproceedings{{{self.key},\n" + ",\n".join(lines) + "\n}"


def _emnlp(year: int) -> str:
    return f"Proceedings of the {year} Conference on Empirical Methods in Natural Language Processing"


def _icml(number: str) -> str:
    return f"Proceedings of the {number} International Conference on Machine Learning"


CARTOGRAPHY = Paper(
    "swayamdipta-etal-2020-dataset",
    "Dataset Cartography: Mapping and Diagnosing Datasets with Training Dynamics",
    (
        "Swayamdipta, Swabha", "Schwartz, Roy", "Lourie, Nicholas", "Wang, Yizhong", "Hajishirzi, Hannaneh",
        "Smith, Noah A.", "Choi, Yejin",
    ),
    _emnlp(2020), "EMNLP", 2020, "2009.10795", "https://aclanthology.org/2020.emnlp-main.746",
)  # fmt: skip
_ZEROGEN = Paper(
    "ye-etal-2022-zerogen",
    "{Z}ero{G}en: Efficient Zero-shot Learning via Dataset Generation",
    (
        "Ye, Jiacheng", "Gao, Jiahui", "Li, Qintong", "Xu, Hang", "Feng, Jiangtao", "Wu, Zhiyong", "Yu, Tao",
        "Kong, Lingpeng",
    ),
    _emnlp(2022), "EMNLP", 2022, "2202.07922", "https://aclanthology.org/2022.emnlp-main.801", "11653--11669",
)  # fmt: skip
_PROGEN = Paper(
    "ye-etal-2022-progen",
    "{P}ro{G}en: Progressive Zero-shot Dataset Generation via In-context Feedback",
    ("Ye, Jiacheng", "Gao, Jiahui", "Wu, Zhiyong", "Feng, Jiangtao", "Yu, Tao", "Kong, Lingpeng"),
    "Findings of the Association for Computational Linguistics: EMNLP 2022",
    "Findings of EMNLP", 2022, "2210.12329", "https://aclanthology.org/2022.findings-emnlp.269", "3671--3683",
)  # fmt: skip
_SUNGEN = Paper(
    "gao2023selfguided",
    "Self-Guided Noise-Free Data Generation for Efficient Zero-Shot Learning",
    (
        "Gao, Jiahui", "Pi, Renjie", "Lin, Yong", "Xu, Hang", "Ye, Jiacheng", "Wu, Zhiyong", "Zhang, Weizhong",
        "Liang, Xiaodan", "Li, Zhenguo", "Kong, Lingpeng",
    ),
    "International Conference on Learning Representations",
    "ICLR", 2023, "2205.12679", "https://openreview.net/forum?id=h5OpjGd_lo6",
)  # fmt: skip
_FUSEGEN = Paper(
    "zou-etal-2024-fusegen",
    "{F}use{G}en: {PLM} Fusion for Data-generation based Zero-shot Learning",
    ("Zou, Tianyuan", "Liu, Yang", "Li, Peng", "Zhang, Jianqing", "Liu, Jingjing", "Zhang, Ya-Qin"),
    _emnlp(2024), "EMNLP", 2024, "2406.12527", "https://aclanthology.org/2024.emnlp-main.130",
)  # fmt: skip
_WASP = Paper(
    "pmlr-v267-zou25d",
    "Contrastive Private Data Synthesis via Weighted Multi-{PLM} Fusion",
    (
        "Zou, Tianyuan", "Liu, Yang", "Li, Peng", "Xiong, Yufei", "Zhang, Jianqing", "Liu, Jingjing", "Ye, Xiaozhou",
        "Ouyang, Ye", "Zhang, Ya-Qin",
    ),
    _icml("42nd"), "ICML", 2025, "2502.00245", "https://proceedings.mlr.press/v267/zou25d.html", "80846--80872",
)  # fmt: skip
_PE = Paper(
    "lin2024differentially",
    "Differentially Private Synthetic Data via Foundation Model {API}s 1: Images",
    ("Lin, Zinan", "Gopi, Sivakanth", "Kulkarni, Janardhan", "Nori, Harsha", "Yekhanin, Sergey"),
    "International Conference on Learning Representations",
    "ICLR", 2024, "2305.15560", "https://openreview.net/forum?id=YEhQs8POIo",
)  # fmt: skip
_AUGPE = Paper(
    "pmlr-v235-xie24g",
    "Differentially Private Synthetic Data via Foundation Model {API}s 2: Text",
    (
        "Xie, Chulin", "Lin, Zinan", "Backurs, Arturs", "Gopi, Sivakanth", "Yu, Da", "Inan, Huseyin A.",
        "Nori, Harsha", "Jiang, Haotian", "Zhang, Huishuai", "Lee, Yin Tat", "Li, Bo", "Yekhanin, Sergey",
    ),
    _icml("41st"), "ICML", 2024, "2403.01749", "https://proceedings.mlr.press/v235/xie24g.html",
)  # fmt: skip
_PCEVOLVE = Paper(
    "zhang2025pcevolve",
    "{PCE}volve: Private Contrastive Evolution for Synthetic Dataset Generation via Few-Shot Private Data and "
    "Generative {API}s",
    (
        "Zhang, Jianqing", "Liu, Yang", "Fu, Jie", "Hua, Yang", "Zou, Tianyuan", "Cao, Jian", "Yang, Qiang",
    ),
    _icml("42nd"), "ICML", 2025, "2506.05407", "https://openreview.net/forum?id=IKCfxWtTsu",
)  # fmt: skip
_OF_METHOD = {
    "zerogen": (_ZEROGEN,),
    "progen": (_PROGEN,),
    "sungen": (_SUNGEN,),
    "fusegen": (_FUSEGEN,),
    "pe": (_PE,),
    "augpe": (_AUGPE, _PE),
    "pcevolve": (_PCEVOLVE,),
    "wasp": (_WASP,),
}


def papers_of(method: str) -> tuple[Paper, ...]:
    """Return the papers of a method, its own first; none for a method that this file does not know."""
    return _OF_METHOD.get(method, ())
