"""What the citizen's card tool says, in Japanese and English."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar, Literal

from appliance.errors import KagimoriError

Language = Literal["ja", "en"]
Words = Mapping[str, str]


class CardToolError(KagimoriError):
    """The card tool cannot do what was asked of it."""

    exit_code: ClassVar[int] = 5


class NotThisPortal(KagimoriError):
    """The challenge is not one of the portal that was named, or nobody agreed to sign it."""


_EN = {
    "sign_head": "You are about to sign in to a portal with your card:",
    "show_head": "Certificates for signing in on this card:",
    "portal": "portal",
    "issued": "issued",
    "expires": "good until",
    "subject": "subject",
    "issuer": "issuer",
    "serial": "serial",
    "validity": "valid",
    "key": "key",
    "fingerprint": "SHA-256",
    "id": "id",
    "in_force": "in force",
    "early": "NOT YET VALID",
    "over": "EXPIRED",
    "from_to": "{0} to {1} ({2})",
    "address": "Paste the answer only into a page whose address begins with {0}",
    "late": "note: by the clock of this machine the challenge has expired; the portal will want a new one",
    "agree": "Sign in there? [y/N] ",
    "pin": "PIN of the card {0}",
    "written": "The answer is in {0}",
    "no_pin": "no PIN was typed",
    "again": "run the command again",
    "no_terminal": "there is no terminal to ask at",
    "no_terminal_hint": "run it at a terminal, or give --portal and --pin-file",
    "not_agreed": "not signed",
    "not_agreed_hint": "nothing was sent to anybody",
    "other_portal": "the challenge is of {0}, not of {1}; nothing was signed",
    "other_portal_hint": "somebody may be trying to sign in with your card: go to your portal's own address",
    "no_origin": "--portal {0}: not an origin",
    "no_origin_hint": "such as https://portal.example.go.jp, without a path",
    "no_challenge": "{0}: not a sign-in challenge",
    "no_challenge_hint": "copy or download it from the portal, whole and unchanged; this tool signs nothing else",
    "unreadable": "{0}: {1}",
    "unreadable_hint": "name the file with the challenge, or - for standard input",
    "exists": "{0}: is there already",
    "exists_hint": "nothing is overwritten; name another file",
    "no_certificate": "the card {0} shows no certificate for signing in",
    "no_certificate_hint": "is it the right card? The one for user proof is needed",
    "several": "the card {0} has several certificates for signing in: {1}",
    "several_hint": "say which one: --id",
}
_JA = {
    "sign_head": "カードで次のポータルにサインインします。",
    "show_head": "このカードにあるサインイン用の証明書",
    "portal": "ポータル",
    "issued": "発行日時",
    "expires": "有効期限",
    "subject": "主体者",
    "issuer": "発行者",
    "serial": "シリアル番号",
    "validity": "有効期間",
    "key": "鍵",
    "fingerprint": "SHA-256",
    "id": "ID",
    "in_force": "有効",
    "early": "有効期間前",
    "over": "期限切れ",
    "from_to": "{0} から {1} まで（{2}）",
    "address": "署名は、アドレスが {0} で始まるページにだけ貼り付けてください。",
    "late": "注意：このパソコンの時計では有効期限が過ぎています。ポータルで新しい確認文を取得してください。",
    "agree": "このポータルにサインインしますか？ [y/N] ",
    "pin": "カード {0} の暗証番号（PIN）",
    "written": "署名を {0} に書き込みました。",
    "no_pin": "暗証番号が入力されませんでした",
    "again": "もう一度コマンドを実行してください",
    "no_terminal": "入力を受け付ける端末がありません",
    "no_terminal_hint": "端末で実行するか、--portal と --pin-file を指定してください",
    "not_agreed": "署名しませんでした",
    "not_agreed_hint": "どこにも何も送信されていません",
    "other_portal": "この確認文は {1} のものではなく、{0} のものです。署名しませんでした",
    "other_portal_hint": "第三者があなたになりすまそうとしているおそれがあります。"
    "正しいアドレスからポータルを開き直してください",
    "no_origin": "--portal {0}：ポータルのアドレスとして正しくありません",
    "no_origin_hint": "https://portal.example.go.jp のように、パスを付けずに指定してください",
    "no_challenge": "{0}：サインインの確認文ではありません",
    "no_challenge_hint": "ポータルの画面から、変更せずに全文をコピーまたはダウンロードしてください。"
    "このツールは確認文以外には署名しません",
    "unreadable": "{0}：読み取れません（{1}）",
    "unreadable_hint": "確認文のファイル名、または標準入力を表す - を指定してください",
    "exists": "{0}：すでに存在します",
    "exists_hint": "上書きはしません。別のファイル名を指定してください",
    "no_certificate": "カード {0} にサインイン用の証明書が見つかりません",
    "no_certificate_hint": "カードを確認してください。利用者証明用の証明書が必要です",
    "several": "カード {0} にサインイン用の証明書が複数あります：{1}",
    "several_hint": "--id でどれを使うか指定してください",
}
WORDS: Mapping[Language, Words] = {"en": _EN, "ja": _JA}

# The token room's own words are English; these are what happens to people with their cards.
_TOKEN_JA = {
    "PinWrong": (
        "暗証番号（PIN）が違います。試したのは1回だけです",
        "続けて間違えるとカードがロックされます。暗証番号とカードを確認してから、もう一度実行してください",
    ),
    "PinFinalTry": (
        "次に暗証番号を間違えるとカードがロックされるため、入力された暗証番号は試していません",
        "カード付属のソフトウェアで正しい暗証番号を一度入力すると、回数がリセットされます",
    ),
    "PinLocked": ("カードがロックされています", "お住まいの市区町村の窓口で、暗証番号の再設定を行ってください"),
    "PinNeeded": ("カードの暗証番号を使えません", "カードの発行者に確認してください"),
    "TokenNotFound": (
        "指定されたカードが見つかりません",
        "カードがカードリーダーに正しく置かれているか、また --label の指定を確認してください",
    ),
    "TokenModuleError": (
        "PKCS#11 モジュールを使えません",
        "--module に、モジュールのファイルを絶対パスで指定してください",
    ),
    "KeyMissing": ("証明書に対応する秘密鍵がカードにありません", "カードを確認してください"),
    "TokenUnavailable": ("カードを読み取れません", "カードがカードリーダーに正しく置かれているか確認してください"),
}


def language(asked: Language | None) -> Language:
    """The language asked for, else the environment's (POSIX, section 8.2), else English."""
    if asked is not None:
        return asked
    named = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    return "ja" if named.startswith("ja") else "en"


def moment(when: datetime, tongue: Language) -> str:
    """A time on the clock of this machine."""
    local = when.astimezone()
    if tongue == "ja":
        return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M:%S}（{local:%Z}）"
    return f"{local:%Y-%m-%d %H:%M:%S %Z}"


@contextmanager
def told_in(tongue: Language) -> Iterator[None]:
    """What a token refuses is told in the person's language.

    Raises:
        CardToolError: instead of the errors of the token room that there are words for; all others as they are.
    """
    try:
        yield
    except KagimoriError as error:
        known = _TOKEN_JA.get(type(error).__name__) if tongue == "ja" else None
        if known is None:
            raise
        raise CardToolError(*known) from None
