"""What a sector's clerk reads about inquiries, in Japanese and English: what a reason means, and what can be done."""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = ("ja", "en")


class Text(NamedTuple):
    """One text in both languages."""

    ja: str
    en: str

    def in_language(self, language: Language) -> str:
        """The text in one of them."""
        return self.ja if language == "ja" else self.en


REASONS = {
    "no_resident": Text("住基ネットに該当者なし", "nobody in the resident register is like that"),
    "several_residents": Text("該当者が複数", "several residents fit"),
    "name_common": Text(
        "一部一致するが、同姓同名の別人の可能性あり", "somebody fits in part, but so may others of that name"
    ),
    "not_enough_agrees": Text("似た者はいるが、一致する項目が不足", "somebody is alike, but too much differs"),
    "several_requests": Text("複数の照会が同一人に該当", "several requests mean one resident"),
    "already_linked": Text("番号が別の記録に紐付け済み", "their number is linked to another record here"),
    "repeated_code": Text("住基ネット側の住民票コード重複", "the register has one code under two people"),
    "not_converted": Text("番号の変換不可", "the code could not be converted"),
}
"""By reason: those of `appliance.hubkit.linking.TOLD`, and the sector's own."""

ADVICE = {
    "no_resident": Text(
        "氏名・住所・生年月日・性別を本人または届出書類で確認し、訂正のうえ再照会。国外転出・死亡の場合は理由を付して終了",
        "check the four attributes with the person or their papers, correct them, ask again;"
        " close with a reason if they moved abroad or died",
    ),
    "several_residents": Text(
        "建物名・部屋番号まで含む住所を確認して再照会。それでも複数の場合は付番機関に照会",
        "find out the address with building and room, ask again; if still several, turn to the numbering authority",
    ),
    "name_common": Text("現住所を確認し、訂正のうえ再照会", "find out the present address, correct it, ask again"),
    "not_enough_agrees": Text(
        "転居・改姓・誤記がないか確認し、訂正のうえ再照会",
        "find out whether they moved, changed their name, or were misspelt; correct, ask again",
    ),
    "several_requests": Text(
        "同一人の記録が重複していないか確認。重複していれば一方を duplicate_record として終了",
        "see whether one person has two records here; if so, close one of them as duplicate_record",
    ),
    "already_linked": Text(
        "同一人の記録が重複していないか確認。重複していれば duplicate_record として終了、別人であれば付番機関に連絡",
        "see whether one person has two records here; if so, close this one as duplicate_record;"
        " if not, tell the numbering authority",
    ),
    "repeated_code": Text(
        "分野側の対応は不要。付番機関による住基ネット側の確認を待って再照会",
        "nothing to do here: wait until the numbering authority has had the register put right, then ask again",
    ),
    "not_converted": Text("分野側の対応は不要。付番機関に連絡", "nothing to do here: tell the numbering authority"),
}

OUTCOMES = {"ambiguous": Text("特定できず", "not certain"), "not_found": Text("該当なし", "not found")}
STATES = {
    "open": Text("未処理", "open"),
    "corrected": Text("訂正済み（再照会待ち）", "corrected, to be asked again"),
    "closed": Text("終了", "closed"),
}
BECAUSE = {
    "moved_abroad": Text("国外転出", "moved abroad"),
    "deceased": Text("死亡", "deceased"),
    "not_in_register": Text("住民票に記載のない者", "not a person of the register"),
    "duplicate_record": Text("記録の重複", "duplicate record"),
    "other": Text("その他", "other"),
}

LABELS = {
    "sector": Text("分野", "sector"),
    "people": Text("対象者", "people"),
    "linked": Text("紐付け済み", "linked"),
    "new": Text("未照会", "not asked about yet"),
    "waiting": Text("照会中（回答待ち）", "asked about, waiting"),
    "open": Text("要調査", "for inquiry"),
    "corrected": Text("訂正済み（再照会待ち）", "corrected, to be asked again"),
    "closed": Text("調査終了（番号なし）", "closed without a number"),
    "request": Text("回答待ちの照会", "request that waits"),
    "generation": Text("鍵世代", "key generation"),
    "since": Text("初回照会", "first asked"),
    "asked": Text("照会回数", "times asked"),
    "same_as": Text("紐付け済みの記録", "linked record"),
    "advice": Text("対応", "what to do"),
    "nobody": Text("調査対象者はいません", "nobody is for inquiry"),
}
