"""The minutes say what the ledger says: who, when, on which token, with which result, and what went wrong."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from appliance.ledger.publickey import log_check_value
from keyceremony.sheets.attributes import AttributeSets
from keyceremony.sheets.wording import Wording

from . import fixedledger
from .golden import minutes_of, script_of
from .reading import Read, read


def english(number: int) -> Read:
    return read(minutes_of(number, ["en"]))


def test_who_approved_and_who_operated_with_what_and_when() -> None:
    page = english(3)
    told = dict(pairwise(page.text))
    assert "officer-2 鈴木 一郎 officer 2026-05-31 01:01:00 UTC roster" in page.words
    assert "oversight-1 監視機関 田中 誠 oversight 2026-05-31 01:03:00 UTC roster" in page.words
    assert "roster: 2 officers and 1 of the oversight body were needed" in page.text
    assert (told["tool"], told["took"]) == ("keyceremony 0.1.0", "127.0 s")
    assert told["maker and model"] == "SoftHSM project, SoftHSM v2"
    assert page.words.count("took 2,298 ms") == 1


def test_each_new_key_has_identifier_check_value_attributes_and_copies() -> None:
    told = english(3).words
    for generation in ("common.1", "spin.1", "sspin.B.1", "sspin.C.1", "sspin.E.1", "tag.1"):
        value, key_id = fixedledger.fixed_check_value(generation), fixedledger.fixed_id(generation)
        assert f"check value {value} CKA_ID {key_id} attributes read back set A copies vault-1" in told
    assert told.count("check value compared there, set B") == 6


def test_equal_attributes_are_written_once() -> None:
    page = english(3)
    assert page.words.count("key_gen_mechanism aes_key_gen") == 1
    assert (
        "set A class secret_key key_gen_mechanism aes_key_gen key_type aes value_len 32 always_sensitive" in page.words
    )
    assert "set B class secret_key key_type aes value_len 0 encrypt extractable modifiable private" in page.words
    assert "set C class private_key key_gen_mechanism ec_edwards_key_pair_gen key_type ec_edwards" in page.words
    assert "set D" not in page.text


def test_of_a_log_key_the_public_half_is_told_and_that_it_has_no_copy() -> None:
    public = fixedledger.log_public_key("log.1")
    told = english(3).words
    assert f"public key (Ed25519, in hex) {public[-32:].hex()} check value {log_check_value(public).hex()}" in told
    assert f"CKA_ID {fixedledger.fixed_id('log.1')} attributes read back set C copies none" in told
    assert "use an Ed25519 pair that signs the log's checkpoints; it never leaves the token and has no copy" in told
    assert "use makes the subject tags by which one person's records are found in the log" in told
    assert read(minutes_of(3)).words.count(public[-32:].hex()) == 2, "in both languages"


def test_deviations_are_there_with_their_times_or_it_says_none() -> None:
    page = english(3)
    for note in fixedledger.NOTES:
        assert note in page.text
    assert f"2026-05-31 01:10:00 UTC {fixedledger.NOTES[0]}" in page.words
    assert "None." in english(4).text


def test_refusals_and_failed_attempts_are_told_with_their_reasons() -> None:
    page = english(3)
    told = dict(pairwise(page.text))
    assert told["refused by"] == "oversight-2 監視機関 伊藤 恵"
    assert "題名と鍵世代が一致しない (the title names another sector than the action)" in page.text
    assert "token vault-1: was removed while the copy was verified" in page.text
    assert told["keys left behind"] == fixedledger.fixed_id("left")
    assert "failed attempt" in page.text
    assert [after for text, after in pairwise(page.text) if text == "plan concerned"] == [
        "this one",
        hashlib.sha256(b"an earlier plan").hexdigest(),
    ]
    assert "None: nobody refused, and no attempt failed." in english(4).text


def test_the_files_are_linked_with_their_digests() -> None:
    made = fixedledger.ledger()
    for number, extra in ((3, ["000003.attempt.1.cms", "000003.refusal.1.cms"]), (12, [])):
        page = english(number)
        names = [*extra, f"{number:06}.authorization.cms", f"{number:06}.outcome.cms"]
        assert [value for name, value in page.attributes if name == "href"] == [f"ledger/{name}" for name in names]
        for name in names:
            assert hashlib.sha256(made.files[name]).hexdigest() in page.text
            assert f"openssl cms -verify -inform DER -noverify -in ledger/{name} -out /dev/null" in page.text
        assert made.entries[number - 1].head in page.text


def test_a_restore_names_the_origin_of_every_key_and_explains_the_lost_flags() -> None:
    page = english(12)
    state = fixedledger.ledger().entries[11].state
    for key in state.keys.values():
        row = f"{key.generation} {key.check_value.hex()} {key.key_id.hex()} set A Entry {key.origin}"
        assert (row in page.words) == (str(key.generation) not in ("sspin.C.1", "log.1")), "destroyed, lost"
    assert "set A class secret_key key_type aes value_len 0 encrypt modifiable private sensitive token" in page.words
    assert "can no longer show LOCAL, ALWAYS_SENSITIVE and NEVER_EXTRACTABLE" in page.words
    assert "can no longer show" not in english(3).words
    assert "replaces kagimori (serial 0123456789abcdef)" in page.words


def test_a_key_given_up_is_told_with_its_state_and_is_not_among_those_copied() -> None:
    page = read(minutes_of(13, ledger=fixedledger.given_up()))
    assert "GIVEN UP for ever sspin.E.2 (generated now): on no backup token" in page.words
    assert "失われる鍵 sspin.E.2（現在：生成済）" in page.words
    assert fixedledger.fixed_check_value("sspin.E.2") not in page.words
    assert f"sspin.E.1 {fixedledger.fixed_check_value('sspin.E.1')}" in page.words


def test_the_minutes_name_the_token_that_vouches() -> None:
    assert (
        dict(pairwise(english(12).text))["outcome signed by"] == "the identity key of vault-1 (serial 1111222233334444)"
    )
    assert (
        dict(pairwise(english(13).text))["outcome signed by"]
        == "the identity key of kagimori-2 (serial ccccddddeeeeffff)"
    )
    assert (
        dict(pairwise(english(1).text))["outcome signed by"] == "the identity key of kagimori (serial 0123456789abcdef)"
    )


def test_absence_is_told_token_by_token() -> None:
    told = dict(pairwise(english(9).text))
    assert told["proven absent from"].split("\n") == [
        "kagimori (serial 0123456789abcdef)",
        "vault-1 (serial 1111222233334444)",
        "vault-2 (serial 5555666677778888)",
    ]
    assert dict(pairwise(english(13).text))["removed and proven absent"].startswith("none (the token is lost")
    assert len(dict(pairwise(english(14).text))["removed and proven absent"].split("\n")) == 8


def test_a_clone_is_told_with_its_keys_its_log_key_and_its_end() -> None:
    clones = fixedledger.cloned()
    enrolled = read(minutes_of(5, ["en"], ledger=clones))
    keys = "common.1 spin.1 sspin.B.1 sspin.C.1 sspin.E.1 tag.1"
    assert f"copies come from vault-1 (serial {fixedledger.VAULT_1}) keys it gets, sealed {keys}" in enrolled.words
    assert "keeps the log osaka" in enrolled.words
    public = fixedledger.log_public_key("kagimori-osaka")[-32:].hex()
    assert f"key that signs its log, made on it {public}" in enrolled.words
    assert f"common.1 {fixedledger.fixed_check_value('common.1')}" in enrolled.words
    assert f"log.1 {fixedledger.fixed_check_value('log.1')}" not in enrolled.words, "never copied"
    updated = read(minutes_of(7, ["en"], ledger=clones)).words
    assert "kagimori-osaka (serial c10ec10ec10ec10e)" in updated and "keys it gets, sealed sspin.C.2" in updated
    destroyed = dict(pairwise(read(minutes_of(11, ["en"], ledger=clones)).text))
    assert "kagimori-osaka (serial c10ec10ec10ec10e)" in destroyed["proven absent from"].split("\n")
    removed = dict(pairwise(read(minutes_of(12, ["en"], ledger=clones)).text))
    assert len(removed["removed and proven absent"].split("\n")) == 7, "six keys and that of its log"


def test_what_a_retirement_goes_by_is_on_the_sheets() -> None:
    told = "1,234,567 numbers counted, 3 of them still under this key. SHA-256 of the census: "
    for make in (script_of, minutes_of):
        assert (
            f"{told}{fixedledger.fixed_id('census') * 2}" in read(make(10, ["en"], ledger=fixedledger.cloned())).words
        )
    assert "census of stored numbers none is cited" in english(8).words


def test_a_policy_change_is_told_before_and_after() -> None:
    words = english(5).words
    assert "before numbering resident → common, sspin.C numbering 1,000 / 0 / 60,000" in words
    assert "after numbering resident → sspin.C, sspin.G linking numbering 500 / 0 / 60,000" in words
    shown = "⚠ answers show spin itself (needs a disclosure order)"
    assert f"added portal sspin.G → spin {shown} portal 1 / 0 / 60" in words
    assert "changed a drill at least every 365 days → 180 days" in words
    assert "changed cryptoperiod of sspin.C 365 days → not set" in words


def test_a_drill_tells_the_scratch_token_and_when_it_was_done_before() -> None:
    page = english(11)
    assert "last drill never" in page.words
    assert "scratch token scratch (serial 99990000aaaabbbb)" in page.words
    assert "Keys compared on the scratch token and removed from it again" in page.text


def test_a_label_that_is_the_keys_own_name_makes_no_set_of_its_own() -> None:
    """As every token reports one; a label that is another name is shown."""
    sets = AttributeSets(Wording("en"))
    first = sets.name({"sensitive": True, "label": "spin.1"}, "spin.1")
    assert sets.name({"sensitive": True, "label": "sspin.B.1"}, "sspin.B.1") == first == "set A"
    assert sets.name({"sensitive": True, "label": "sspin.X.9"}, "sspin.B.1") == "set B"
