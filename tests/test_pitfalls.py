"""Where other tools of this kind went wrong, and the tests that keep us from it.

Each pitfall was found in a public issue or in the code of another tool. A test is named by its file, below this
folder, and its function.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent

REFUSED = "acceptance/test_a_row_refused_among_many.py::"
CHANGES = "acceptance/test_changes_and_removals.py::"

PITFALLS: Mapping[str, tuple[str, ...]] = {
    "P1 state goes on before, or without, an answer for the row": (
        "ledger/test_ledger.py::test_only_the_row_that_failed_is_sent_by_the_next_run",
        "run/test_run.py::test_a_refused_row_is_sent_alone_when_it_changes",
    ),
    "P2 the answer to a batch is taken as one bit": (
        "delivery/test_dispatch.py::test_an_answer_of_many_outcomes_gives_each_row_its_own",
    ),
    "P3 a 207 is taken for a success": (
        "destinations/test_hubspot.py::test_a_partial_failure_names_its_row_at_each_index",
        "destinations/test_http.py::test_a_partial_failure_names_its_row_at_each_index",
    ),
    "P4 a success with an empty body is taken for a proof": (
        "destinations/test_hubspot.py::test_a_success_without_results_is_no_answer",
        "destinations/test_http.py::test_a_success_without_a_list_of_results_is_no_answer",
        "delivery/test_answers.py::test_an_empty_answer_confirms_nothing",
    ),
    "P5 one bad row fails its batch": (
        "delivery/test_dispatch.py::test_the_search_for_refused_rows_is_short",
        "run/test_run.py::test_one_refused_row_in_a_batch_refused_whole_is_found_by_halving",
    ),
    "P6 a retry is built by other code than the first attempt": (
        "delivery/test_dispatch.py::test_a_row_is_spelled_once_however_often_it_is_sent",
        "destinations/test_http.py::test_a_repeated_batch_is_the_same_bytes",
    ),
    "P7 a time-out after the commit makes a duplicate": (
        "ledger/test_kill.py::test_after_a_kill_no_row_of_a_blind_append_is_sent_twice_and_the_doubtful_ones_are_listed",
        "delivery/test_dispatch.py::test_a_blind_append_is_never_sent_twice_after_a_lost_answer",
        "run/test_run.py::test_a_lost_answer_is_repeated_where_that_does_no_harm",
    ),
    "P8 a poison row holds everything back": (
        "run/test_run.py::test_a_refused_row_is_kept_with_its_reason_and_holds_nobody_back",
    ),
    "P9 a value on its way is lost sight of when the source goes back": (
        "ledger/test_kill.py::test_a_value_that_was_on_its_way_at_the_kill_and_is_taken_back_does_not_stay",
        "ledger/test_ledger.py::test_a_value_that_may_have_arrived_is_overwritten_when_the_row_goes_back",
    ),
    "P10 an update is seen as a delete and an insert": (
        "run/test_run.py::test_a_value_that_changed_without_its_timestamp_is_found",
        "planning/test_census.py::test_every_key_is_judged_as_a_simple_model_of_the_diff_judges_it",
    ),
    "P11 the decision to delete leaks into other rows": (
        "delivery/test_batching.py::test_every_row_is_in_one_batch_in_order_and_no_batch_is_too_big",
        "planning/test_census.py::test_every_key_is_judged_as_a_simple_model_of_the_diff_judges_it",
    ),
    "P12 an empty or partial source deletes everybody": (
        "run/test_run.py::test_an_emptied_model_removes_nobody",
        "planning/test_guards.py::test_a_guard_trips_just_beyond_its_bound",
    ),
    "P13 a record is deleted that we did not make": (
        "planning/test_census.py::test_every_key_is_judged_as_a_simple_model_of_the_diff_judges_it",
        "destinations/test_hubspot.py::test_a_known_record_is_addressed_by_its_id",
    ),
    "P14 null and duplicate keys": (
        "run/test_run.py::test_null_and_duplicate_keys_are_invalid_and_nobody_is_taken_for_removed",
    ),
    "P15 pages of a query without a total order": (
        "planning/test_census.py::test_every_key_is_judged_as_a_simple_model_of_the_diff_judges_it",
        "delivery/test_spool.py::test_what_is_added_comes_back_in_order_as_often_as_asked",
    ),
    "P16 a drift of type or format sends every row again": (
        "run/test_run.py::test_an_integer_that_became_a_bigint_sends_nothing",
        "acceptance/test_refactoring.py::test_an_integer_that_became_a_bigint_sends_nothing",
    ),
    "P17 keys and hashes run together": (
        "planning/test_hostile_sql.py::test_no_two_composite_keys_run_together",
        "planning/test_fingerprint.py::test_any_other_value_of_any_type_is_found",
        "delivery/test_batching.py::test_no_two_lists_of_rows_share_a_key_by_running_together",
    ),
    "P18 a new mapping is not seen, or sends every row": (
        "planning/test_fingerprint.py::test_the_basis_names_everything_that_a_fingerprint_rests_on",
        "run/test_run.py::test_a_renamed_column_with_the_same_values_sends_nothing",
        "run/test_run.py::test_a_new_constant_sends_every_row",
    ),
    "P19 values are escaped for another sink": (
        "destinations/test_http.py::test_any_text_arrives_as_it_is",
        "destinations/test_tables.py::test_texts_arrive_as_they_are",
        "warehouses/test_duckdb_warehouse.py::test_hostile_text_is_appended_as_it_is",
        "warehouses/test_postgres_warehouse.py::test_hostile_text_is_appended_as_it_is",
    ),
    "P20 a row is invalid, and written anyway": (
        REFUSED + "test_an_invalid_email_among_twenty_thousand_new_contacts_is_held_alone_until_it_changes",
        "run/test_run.py::test_a_lookup_waits_for_its_parent_and_follows_it",
    ),
    "P21 a dry run changes something": (
        "acceptance/test_commands_that_only_read.py::test_looking_changes_nothing",
        "run/test_run.py::test_a_dry_run_leaves_no_trace",
        "warehouses/test_duckdb_warehouse.py::test_reading_leaves_the_file_as_it_is_byte_for_byte",
        "warehouses/test_postgres_warehouse.py::test_a_read_only_session_refuses_every_write",
    ),
    "P22 a preview says 0 where it cannot know": (
        "ledger/test_ledger.py::test_a_ledger_of_a_newer_release_is_refused",
        "run/test_run.py::test_null_and_duplicate_keys_are_invalid_and_nobody_is_taken_for_removed",
    ),
    "P23 a connector ignores the settings for retries and rate": (
        "delivery/test_dispatch.py::test_a_plug_in_without_async_sends_in_threads_at_the_pace_of_the_account",
        "delivery/test_dispatch.py::test_a_request_is_repeated_only_so_often",
        "delivery/test_transport.py::test_requests_over_a_socket_are_paced_and_counted",
    ),
    "P24 locks leak or run out, and two runs meet": (
        "ledger/test_lease.py::test_an_expired_lease_is_taken_and_its_old_holder_fenced",
        "ledger/test_lease.py::test_of_many_first_runs_at_once_one_gets_the_lease_and_all_find_one_ledger",
        "ledger/test_lease.py::test_of_three_processes_on_one_file_one_gets_the_lease",
        "ledger/test_ledger.py::test_a_run_that_lost_its_lease_can_write_nothing_more",
    ),
    "P25 what is written inside dbt's transaction is rolled back": (
        CHANGES + "test_a_value_that_changed_while_updated_at_did_not_is_found_and_sent_alone",
    ),
    "P26 state is kept on a disk that CI throws away": (
        "ledger/test_kill.py::test_after_a_kill_the_next_run_brings_an_upserting_destination_in_step",
    ),
    "P27 a crash between two statements wedges later runs": (
        "ledger/test_ledger.py::test_a_crash_at_any_statement_of_the_fold_leaves_a_state_that_the_next_run_mends",
    ),
    "P28 errors hold secrets or personal data": (
        "acceptance/test_secrets_and_personal_data.py::test_no_secret_is_ever_said_or_stored",
        "acceptance/test_secrets_and_personal_data.py::test_messages_and_artifacts_hold_no_values_of_rows",
        "delivery/test_answers.py::test_no_value_of_the_batch_is_left_in_a_message",
        "delivery/test_answers.py::test_a_removed_row_is_not_named_by_its_identity_or_its_former_values",
    ),
    "P29 a run with failed rows is called a success": (
        "acceptance/test_endings.py::test_exit_codes_say_what_became_of_a_run",
        "ledger/test_ledger.py::test_a_planned_row_without_exactly_one_outcome_is_an_error",
    ),
    "P30 rows that an answer leaves out are taken for done": (
        "delivery/test_answers.py::test_a_row_that_is_not_mentioned_is_unknown",
        "acceptance/test_outages.py::test_rows_that_an_answer_leaves_out_are_not_taken_for_delivered",
    ),
}


def test_no_pitfall_is_left_out() -> None:
    assert [name.split()[0] for name in PITFALLS] == [f"P{number}" for number in range(1, 31)]


@pytest.mark.parametrize("pitfall", PITFALLS)
def test_every_pitfall_has_tests_and_they_exist(pitfall: str) -> None:
    assert PITFALLS[pitfall]
    for test in PITFALLS[pitfall]:
        file, name = test.split("::")
        assert name in _functions(HERE / file), test


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
