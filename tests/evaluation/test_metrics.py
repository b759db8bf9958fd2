"""Metrics against the reference libraries, and against what a person would say."""

import json
import subprocess
import sys

import numpy as np
import pytest
import sacrebleu
from evaluation_samples import make_items, make_task, random_pairs
from rouge_score.rouge_scorer import RougeScorer

import evaluate
from roleshift.errors import RoleShiftError
from roleshift.evaluation import score_items
from roleshift.evaluation.metrics.answers import Accuracy, ClassF1, ExactMatch, TokenF1, extract_label
from roleshift.evaluation.metrics.choose import metrics_of
from roleshift.evaluation.metrics.corpus import bleu, chrf, corpus_score, per_class
from roleshift.evaluation.metrics.entities import EntityF1
from roleshift.evaluation.metrics.item_metric import ItemMetric
from roleshift.evaluation.metrics.options import MetricOptions
from roleshift.evaluation.metrics.overlap import Bleu, Chrf, Rouge, _rouge_scorer
from roleshift.evaluation.metrics.semantic import Semantic
from roleshift.evaluation.metrics.surface import CopiedNgrams, Distinct, LengthRatio, Repetition
from roleshift.evaluation.metrics.tokens import UnicodeTokenizer


def stats(metric: ItemMetric, pairs: list[tuple[str, list[str], str]]) -> np.ndarray:
    return np.array([metric.statistics(*pair) for pair in pairs])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_bleu_and_chrf_equal_sacrebleu(language: str) -> None:
    pairs = random_pairs(language, 400, seed=1)
    outputs = [output for output, _, _ in pairs]
    width = max(len(references) for _, references, _ in pairs)
    streams = [[refs[i] if i < len(refs) else None for _, refs, _ in pairs] for i in range(width)]
    tokenizer, word_order = ("zh", 0) if language == "zh" else ("13a", 2)
    theirs = {
        "bleu": (sacrebleu.BLEU(tokenize=tokenizer), sacrebleu.BLEU(tokenize=tokenizer, effective_order=True)),
        "chrf": (sacrebleu.CHRF(word_order=word_order), sacrebleu.CHRF(word_order=word_order)),
    }
    for metric in (Bleu(language), Chrf(language)):
        corpus, sentence = theirs[metric.metric]
        values = stats(metric, pairs)
        assert corpus_score(metric.metric, values) * 100 == pytest.approx(
            corpus.corpus_score(outputs, streams).score, abs=1e-9
        )
        for value, (output, references, _) in zip(values, pairs, strict=True):
            expected = sentence.sentence_score(output, references).score
            assert metric.item_score(value) * 100 == pytest.approx(expected, abs=1e-9)


def test_vectorised_corpus_scores_equal_those_one_by_one() -> None:
    pairs = random_pairs("en", 60, seed=2)
    for metric, score in ((Bleu("en"), bleu), (Chrf("en"), chrf)):
        values = stats(metric, pairs)
        assert score(values) == pytest.approx([float(score(row)) for row in values])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("metric", "kind"),
    [("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL"), ("rouge_lsum", "rougeLsum")],
)
def test_rouge_equals_rouge_score(metric: str, kind: str, language: str) -> None:
    pairs = random_pairs(language, 300, seed=3)
    pairs = [(output.replace(",", "\n"), refs, text) for output, refs, text in pairs]
    scorer = RougeScorer([kind], tokenizer=None if language == "en" else UnicodeTokenizer())
    expected = [scorer.score_multi(refs, output)[kind].fmeasure for output, refs, _ in pairs]
    ours = stats(Rouge(metric, language), pairs)
    assert ours[:, 0] == pytest.approx(expected, abs=1e-9)
    assert corpus_score(metric, ours) == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("metric", ["rouge_1", "rouge_2", "rouge_l", "rouge_lsum"])
def test_the_rust_port_gives_the_values_of_rouge_score(metric: str, language: str) -> None:
    pairs = random_pairs(language, 400, seed=4)
    pairs = [(output.replace(",", "\n"), refs, text) for output, refs, text in pairs]
    pairs += [("", ["a word"], ""), ("\ud800 a word", ["a word"], ""), ("a word", ["", "…"], "")]
    python, rust = Rouge(metric, language), Rouge(metric, language, "rouge-score-rs")
    assert stats(rust, pairs) == pytest.approx(stats(python, pairs), abs=1e-12)
    assert "rouge-score-rs:" in rust.signature()
    assert rust.signature() != python.signature()


def test_the_rust_port_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rouge_score_rs", None)
    _rouge_scorer.cache_clear()
    with pytest.raises(
        RoleShiftError, match=r"evaluation.rouge: rouge-score-rs is not installed.*roleshift\[rouge-rs\]"
    ):
        Rouge("rouge_l", "en", "rouge-score-rs")


class LetterCounts:
    """Embeds a text as its counts of a and b, and the second of them negative: enough for every angle."""

    name = "letters"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def embed(self, texts: list[str]) -> np.ndarray:
        self.asked.append(len(texts))
        found = np.array([[text.count("a") - text.count("c"), text.count("b")] for text in texts], dtype=np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def test_semantic_is_the_cosine_with_the_closest_reference() -> None:
    metric = Semantic("en", LetterCounts())
    assert metric.statistics("aaabbbb", ["b", "ab"], "") == [pytest.approx(7 / 5 / np.sqrt(2), abs=1e-6), 1.0]
    assert metric.statistics("a", ["c"], "") == [0.0, 1.0]  # opposite
    assert metric.statistics(" ", ["a"], "") == [0.0, 1.0]
    result = metric.compute(predictions=["ab", "a"], references=[["ab"], ["b"]])
    assert result["semantic"] == pytest.approx(0.5)
    assert "model:letters" in result["signature"]


def test_semantic_is_off_unless_asked_for_and_embeds_everything_ahead_in_its_languages() -> None:
    tasks = {"t": make_task("t", "answer"), "c": make_task("c", "classify", kind="classify", labels=("a", "b"),
                                                           metric="accuracy")}  # fmt: skip
    assert "semantic" not in {metric.metric for metric in metrics_of(tasks["t"], "en")}
    embedder = LetterCounts()
    options = MetricOptions(embedder=embedder, embedded_languages=("en",))
    items = make_items([
        {"example_id": "1", "output": "ab", "task_definition": "t"},
        {"example_id": "2", "output": "abb", "task_definition": "t"},
        {"example_id": "3", "output": "开", "task_definition": "t", "language": "zh"},
        {"example_id": "4", "output": "a", "task_definition": "c"},
    ])  # fmt: skip
    scores = score_items(items, {"1": ["a"], "2": ["b"], "3": ["开"], "4": ["a"]}, {}, tasks, options)
    assert scores.filter(metric="semantic")["example_id"].to_list() == ["1", "2"]
    assert embedder.asked[0] == 4  # two answers and two references, in one call
    assert scores.filter(metric="semantic", example_id="1")["score"].item() == pytest.approx(1 / np.sqrt(2), abs=1e-6)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "one two three four"),
        ("en", "one two"),
        ("en", "one"),
        ("zh", "打开文件夹"),
        ("zh", "打开"),
        ("zh", "开"),
    ],
)
def test_identical_texts_score_one_however_short(language: str, text: str) -> None:
    for metric in metrics_of(make_task("t", "answer", language=language), language):
        if metric.metric in ("distinct_1", "distinct_2", "repetition", "copied_ngrams"):
            continue
        if metric.metric == "rouge_2" and len(UnicodeTokenizer().tokenize(text)) < 2:
            continue
        values = metric.statistics(text, [text], "")
        assert metric.item_score(values) == pytest.approx(1.0, abs=1e-12), metric.metric
        assert corpus_score(metric.metric, np.array([values])) == pytest.approx(1.0, abs=1e-12), metric.metric


@pytest.mark.parametrize("output", ["", "   ", "。", "\ud800 broken"])
def test_answers_without_content_have_finite_scores(output: str) -> None:
    for metric in metrics_of(make_task("t", "answer"), "en"):
        assert 0 <= metric.item_score(metric.statistics(output, ["a reference of some words"], "text")) <= 1


def test_exact_match_and_token_f1_follow_squad() -> None:
    assert ExactMatch("en").statistics("The  Eiffel-Tower!", ["eiffeltower"], "")[0] == 1.0
    assert TokenF1("en").statistics("a red big car", ["the big car"], "")[0] == pytest.approx(0.8)
    assert TokenF1("zh").statistics("北京大学", ["北京"], "")[0] == pytest.approx(2 * 2 / 6)
    assert ExactMatch("zh").statistics("「北京」。", ["北京"], "")[0] == 1.0
    assert TokenF1("en").statistics("", ["the"], "")[0] == 1.0  # nothing is left of either
    assert TokenF1("en").statistics("", ["big"], "")[0] == 0.0


def test_a_label_is_extracted_only_where_it_is_the_whole_answer() -> None:
    labels = ("Arts", "Physical sciences")
    assert extract_label(' "physical  Sciences". ', labels) == 1
    assert extract_label("The topic is Arts", labels) is None
    assert extract_label("Arts, Physical sciences", labels) is None
    assert Accuracy("en").statistics("arts", ["Arts", "Physical sciences"], "") == [1.0, 1.0]


def test_class_f1_equals_its_definition_and_counts_answers_that_are_no_label() -> None:
    labels = ("a", "b", "c")
    metric = ClassF1("macro_f1", "en", labels)
    answers = [("a", "a"), ("b", "a"), ("nonsense", "b"), ("b", "b"), ("b", "b")]
    values = np.array([metric.statistics(output, [reference], "") for output, reference in answers])
    f1_a, f1_b = 2 * 1 / (1 + 2), 2 * 2 / (3 + 3)
    assert corpus_score("macro_f1", values) == pytest.approx((f1_a + f1_b) / 2)  # c never occurs
    assert corpus_score("micro_f1", values) == pytest.approx(2 * 3 / (4 + 5))
    report = per_class(values.sum(axis=0))
    assert report[0].tolist() == pytest.approx([1.0, 0.5, f1_a, 2.0])
    assert np.isnan(report[2, 0])


def test_entity_f1_counts_fields_and_malformed_answers() -> None:
    metric = EntityF1("zh", {"persons": "texts", "places": "texts"})
    reference = json.dumps({"persons": ["李明", "王伟"], "places": ["北京"]}, ensure_ascii=False)
    answer = '```json\n{"persons": ["李明"], "places": "上海"}\n```'
    assert metric.statistics(answer, [reference], "") == [0, 1, 1, 1, 2, 0, 1, 1]
    assert metric.item_score(metric.statistics(answer, [reference], "")) == pytest.approx(2 / 5)
    malformed = metric.statistics("persons: 李明", [reference], "")
    assert malformed[:2] == [1, 1]
    assert metric.item_score(malformed) == 0
    empty = metric.statistics("{}", ['{"persons": [], "places": []}'], "")
    assert metric.item_score(empty) == 1
    assert metric.item_score(metric.statistics("nothing", ['{"persons": []}'], "")) == 0
    with pytest.raises(RoleShiftError, match="not a JSON object"):
        metric.statistics("{}", ["[1]"], "")


FIELDS = {"vendor": "text", "total": "number", "paid": "boolean", "due": "date"}
REFERENCE = '{"vendor": "Ａcme Ltd", "total": 1200.5, "paid": false, "due": "2024-03-01"}'


@pytest.mark.parametrize(
    ("answer", "right", "answered"),
    [
        (REFERENCE, 4, 4),
        ('{"vendor": " acme  ltd", "total": "1200.50", "paid": false, "due": "20240301"}', 4, 4),
        ('{"vendor": "Acme", "total": 12005e-1, "paid": "no", "due": "soon"}', 1, 4),
        ('{"total": true, "paid": null, "due": "2024-02-30"}', 0, 2),
        ('{"total": 1e999999999, "vendor": 7}', 0, 2),
        ('{"total": NaN}', 0, 1),
        ("{}", 0, 0),
    ],
)
def test_typed_fields_are_compared_by_their_value(answer: str, right: int, answered: int) -> None:
    statistics = EntityF1("en", FIELDS).statistics(answer, [REFERENCE], "")
    assert statistics[0] == 0
    triples = np.array(statistics[2:]).reshape(-1, 3).sum(axis=0)
    assert triples.tolist() == [right, answered, 4]


@pytest.mark.parametrize(
    "answer", ['{"total": [1]}', '{"vendor": {"name": "Acme"}}', "[]", f'{{"total": {"9" * 5000}}}']
)
def test_answers_of_another_shape_are_malformed(answer: str) -> None:
    assert EntityF1("en", FIELDS).statistics(answer, [REFERENCE], "")[0] == 1


def test_a_reference_of_another_type_is_an_error_and_types_are_in_the_signature() -> None:
    with pytest.raises(RoleShiftError, match=r"fields vendor \(text\), total \(number\)"):
        EntityF1("en", FIELDS).statistics("{}", [REFERENCE.replace("1200.5", '"much"')], "")
    one, two = (EntityF1("en", {"total": kind}) for kind in ("number", "text"))
    assert one.signature() != two.signature()


def test_surface_metrics() -> None:
    assert LengthRatio("en").statistics("one two three", ["one", "a b c d"], "") == [3, 4]
    assert Distinct(1, "en").statistics("a a b", ["x"], "") == [2, 3]
    assert Repetition("en").statistics("a b c d a b c d", ["x"], "") == [1, 5]
    assert CopiedNgrams("en").statistics("a b c d e", ["x"], "so a b c d it is") == [1, 2]


def test_every_metric_is_an_evaluate_metric_that_computes_offline() -> None:
    for metric in metrics_of(make_task("t", "answer"), "en"):
        assert isinstance(metric, evaluate.Metric)
        given = {"predictions": ["a b c d", "x"], "references": [["a b c d"], ["y", "x"]]}
        if metric.needs_input:
            given["inputs"] = ["a b c d e", "z"]
        result = metric.compute(**given)
        assert result["signature"] == metric.signature()
        assert len(result["scores"]) == 2
    assert Rouge("rouge_l", "en").compute(predictions=["a b"], references=[["a b"]])["rouge_l"] == 1.0


def test_signatures_tell_tokenisers_label_sets_and_languages_apart() -> None:
    assert Bleu("en").signature() != Bleu("zh").signature()
    assert Chrf("en").signature() != Chrf("zh").signature()
    assert Rouge("rouge_l", "en").signature() != Rouge("rouge_l", "zh").signature()
    assert ClassF1("macro_f1", "en", ("a", "b")).signature() != ClassF1("macro_f1", "en", ("a", "c")).signature()
    assert "sacrebleu:" in Bleu("en").signature()


def test_stored_scores_are_read_without_torch() -> None:
    code = (
        "import sys, roleshift.evaluation, roleshift.evaluation.metrics.corpus;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'evaluate', 'mlflow', 'streamlit')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
