/*
 * why_facts.c
 *		What why() reports: values, evidence, rules, last writes, feeds, the answer.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/relation.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../activity/activity.h"
#include "explain.h"

/* What a row is to the authoritative one, in words. */
static char *
comparison(const FieldPlace *place, const FieldPlace *best, const FoundRow *row)
{
	Oid type = compare_common_type(best->holder.type, place->holder.type, true);

	if (row->ambiguous)
		return psprintf("; it is not compared, because the crosswalk %s gives it several keys",
						names_relation_label(place->match->schema, place->match->table));
	if (!row->differs)
		return "; it agrees";
	if (!row->misread)
		return "; it differs";
	return psprintf("; it differs, because %s cannot be read as %s",
					type == getBaseType(best->holder.type) ? "it" : "the authoritative value",
					format_type_be(type));
}

/* Reports the value in each copy, or why there is none. */
void
why_report_values(Why *why)
{
	const FieldPlace *best = linitial(why->places);
	ListCell *lc;

	if (!best->authoritative || best->rows == NIL)
		best = NULL;
	foreach(lc, why->places)
	{
		const FieldPlace *place = lfirst(lc);
		char *what = place->authoritative && list_length(why->places) > 1 ? "The authoritative copy"
					 : place->source != NULL ? psprintf("The private copy of \"%s\"", place->source)
											 : "A shared table";
		ListCell *l;

		if (place->problem != NULL)
			why_add_fact(why, 0, place->label, "unknown", place->source, NULL, place->problem);
		else if (place->rows == NIL)
			why_add_fact(why, 0, place->label, "no row", place->source, NULL,
						 psprintf("%s, without such a row: the row never arrived, or is gone.",
								  what));
		foreach(l, place->rows)
		{
			const FoundRow *row = lfirst(l);

			why_add_fact(why, row->written, place->label, "value",
						 place->source != NULL ? place->source : row->owner, row->value,
						 psprintf("%s%s.%s", what,
								  best == NULL || place == best ? "" : comparison(place, best, row),
								  row->value == NULL ? " There is no value (NULL)." : ""));
		}
	}
}

/* Parts of report_evidence_of(): the columns, and which rows of a table of evidence. */
#define EVIDENCE_COLUMNS \
	"id, recorded_at, operation, outcome, system, role, origin, application_name, stored, proposed, resolved_at, resolution "
#define OF_THE_ROW                                                               \
	"WHERE jsonb_hash_extended(row_key, 0) = jsonb_hash_extended($4::jsonb, 0) " \
	"AND row_key = $4::jsonb AND table_schema = $1 AND table_name = $2 "         \
	"AND ($3::name = ANY (columns) OR outcome = 'discarded') "                   \
	"AND outcome NOT IN ('parked', 'remembered') ORDER BY id DESC LIMIT 20"

/* Does the caller read history?  Older versions have none. */
static bool
reads_history(void)
{
	Oid history = catalog_table("history", true);

	return OidIsValid(history) && pg_class_aclcheck(history, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/* Reports the evidence about one row, and its history; key is its row_key as text, or NULL. */
static void
report_evidence_of(Why *why, FieldPlace *place, const char *key)
{
	Parameters p = {0};
	uint64 n;

	if (key == NULL)
		return;
	sql_add_text(&p, place->holder.schema);
	sql_add_text(&p, place->holder.table);
	sql_add_text(&p, place->holder.column);
	sql_add_text(&p, key);
	n = sql_run_composed(
		psprintf("SELECT recorded_at, outcome, system, "
				 "CASE jsonb_typeof(proposed) WHEN 'object' THEN proposed ->> $3 END, "
				 "concat_ws(', ', operation || CASE outcome WHEN 'kept' THEN ': the stored value stayed' "
				 "WHEN 'discarded' THEN ' of the whole row' "
				 "WHEN 'rejected' THEN ' failed with an error' "
				 "WHEN 'overridden' THEN ' went through as an override' "
				 "WHEN 'written' THEN ' changed the value' "
				 "ELSE ' went through' END, "
				 "'stored: ' || CASE jsonb_typeof(stored) WHEN 'object' THEN stored ->> $3 END, "
				 "'role ' || role, 'origin ' || origin, 'application ' || application_name, resolution), "
				 "CASE WHEN outcome IN ('kept', 'discarded', 'rejected') THEN resolved_at IS NULL END "
				 "FROM ((SELECT " EVIDENCE_COLUMNS "FROM ownership.conflict " OF_THE_ROW ")%s) e "
				 "ORDER BY id DESC LIMIT 20",
				 reads_history() ? " UNION ALL (SELECT " EVIDENCE_COLUMNS
								   "FROM ownership.history " OF_THE_ROW ")"
								 : ""),
		&p);
	for (uint64 i = 0; i < n; i++)
	{
		char *system = sql_result_text(i, 3);

		char *open = sql_result_text(i, 6);

		if (open != NULL && strcmp(open, "f") == 0)
			why->resolved++;
		else if (open != NULL)
		{
			if (why->refused++ == 0)
			{
				why->refused_by = system;
				why->refused_outcome = sql_result_text(i, 2);
				if (strcmp(why->refused_outcome, verdict_name(VERDICT_KEEP)) == 0)
					why->refused_outcome = "kept out";
			}
		}
		if (system != NULL && !names_all_among(list_make1(system), place->systems))
			place->systems = lappend(place->systems, system);
		why_add_fact(why, sql_result_time(i, 1), place->label, sql_result_text(i, 2), system,
					 sql_result_text(i, 4), sql_result_text(i, 5));
	}
}

/* Reports the evidence about the row, if the caller may read evidence. */
void
why_report_evidence(Why *why)
{
	ListCell *lc;

	why->evidence_seen =
		pg_class_aclcheck(catalog_table("conflict", false), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	if (!why->evidence_seen)
	{
		why_add_fact(why, 0, "ownership.conflict", "unknown", NULL, NULL,
					 "This role may not read the evidence of refused values.");
		return;
	}
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		ListCell *l;

		foreach(l, place->rows)
		{
			report_evidence_of(why, place, ((FoundRow *) lfirst(l))->evidence_key);
			why_report_waiting_of(why, place, ((FoundRow *) lfirst(l))->evidence_key);
			why_report_pins_of(why, place, ((FoundRow *) lfirst(l))->evidence_key);
		}
		if (place->rows == NIL && place->problem == NULL && place->evidence_key != NULL)
		{
			char *sql = psprintf("SELECT %s", place->evidence_key);

			if (SPI_execute(sql, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
			{
				char *key = sql_result_text(0, 1);

				report_evidence_of(why, place, key);
				why_report_waiting_of(why, place, key);
				why_report_pins_of(why, place, key);
			}
		}
	}
}

/* Has the table the guard's row triggers, and are they enabled? */
static bool
fires_guard(Relation rel)
{
	bool amends = false;
	bool judges = false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *t = &rel->trigdesc->triggers[i];

		if (t->tgenabled == TRIGGER_DISABLED)
			continue;
		amends |= strcmp(t->tgname, TRIGGER_AMEND) == 0;
		judges |= strcmp(t->tgname, TRIGGER_JUDGE) == 0;
	}
	return amends && judges;
}

/*
 * Reports what the rules say in each copy: for the source or owner, and for the
 * systems whose evidence was found.
 */
void
why_report_rules(Why *why)
{
	ListCell *lc;

	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		List *systems = list_copy(place->systems);
		char *main;
		Relation rel;
		RelationMap *map;
		MappedColumn *col;
		ListCell *l;

		if (place->holder.attnum == InvalidAttrNumber)
			continue;
		main = place->source != NULL ? place->source : why->owner;
		if (main != NULL && !names_all_among(list_make1(main), systems))
			systems = lcons(main, systems);
		rel = relation_open(place->holder.relid, AccessShareLock);
		map = map_get(rel);
		col = map_column(map, place->holder.attnum);
		foreach(l, systems)
		{
			Answer a = explain_column(map, col, lfirst(l), false, false);

			why_add_fact(why, 0, place->label, "rule", lfirst(l),
						 a.allowed < 0 ? "depends on the row" : a.outcome, a.reason);
		}
		if (systems == NIL)
			why_add_fact(why, 0, place->label, "rule", NULL, "allowed",
						 explain_column(map, col, NULL, false, false).reason);
		foreach(l, place->rows)
		{
			const FoundRow *row = lfirst(l);

			if (col != NULL && col->nrules > 0)
				why_add_fact(why, 0, place->label, "rule", row->owner, "allowed",
							 row->owner == NULL
								 ? "No system owns the value in this row."
								 : psprintf("In this row \"%s\" owns the value.", row->owner));
		}
		if (!fires_guard(rel))
			why_add_fact(why, 0, place->label, "rule", NULL, "not guarded",
						 "Nothing enforces the map on this table.");
		relation_close(rel, NoLock);
	}
}

/* Reports the last write that was seen of each copy's source, or else of the owner. */
void
why_report_last_writes(Why *why)
{
	ListCell *lc;

	foreach(lc, why->places)
	{
		const FieldPlace *place = lfirst(lc);
		char *system = place->source != NULL ? place->source : why->owner;
		Parameters p = {0};
		uint64 n;

		if (system == NULL)
			continue;
		sql_add_text(&p, place->holder.schema);
		sql_add_text(&p, place->holder.table);
		sql_add_text(&p, place->holder.column);
		sql_add_text(&p, system);
		n = sql_run("SELECT last_write, format(CASE writes WHEN 1 THEN '%s write of this column in any row, in all.' "
					"ELSE '%s writes of this column in any row, in all.' END, writes) "
					"FROM ownership.activity WHERE table_schema = $1 AND table_name = $2 "
					"AND column_name = $3 AND system = $4 AND writes > 0",
					&p);
		if (n > 0)
			why_add_fact(why, sql_result_time(0, 1), place->label, "last write", system, NULL,
						 sql_result_text(0, 2));
		else
			why_add_fact(why, 0, place->label, "last write", system, NULL,
						 mailbox_remembers()
							 ? "None was seen, in any row."
							 : "Not known: writes are remembered only when the library is preloaded.");
	}
}

/* Reports the subscriptions that feed each copy, and collects what is wrong with them. */
void
why_report_feeds(Why *why)
{
	StringInfoData wrong;
	ListCell *lc;

	initStringInfo(&wrong);
	foreach(lc, why->places)
	{
		const FieldPlace *place = lfirst(lc);
		char *table = names_relation_label(place->holder.schema, place->holder.table);
		Parameters p = {0};
		uint64 n;

		if (!OidIsValid(place->holder.relid))
			continue;
		sql_add_text(&p, psprintf("%u", place->holder.relid));
		n = sql_run(
			"WITH RECURSIVE member AS (SELECT $1::oid AS relid UNION ALL "
			"SELECT i.inhrelid FROM pg_inherits i JOIN member m ON i.inhparent = m.relid), "
			"feed AS (SELECT s.oid, s.subname, s.subenabled, bool_and(r.srsubstate IN ('r', 's')) AS ready, "
			"min(r.srsubstate::text) FILTER (WHERE r.srsubstate NOT IN ('r', 's')) AS state "
			"FROM member m JOIN pg_subscription_rel r ON r.srrelid = m.relid "
			"JOIN pg_subscription s ON s.oid = r.srsubid GROUP BY s.oid, s.subname, s.subenabled), "
			"work AS (SELECT subid, bool_or(pid IS NOT NULL) AS runs, max(last_msg_receipt_time) AS at "
			"FROM pg_stat_subscription WHERE relid IS NULL GROUP BY subid) "
			"SELECT f.subname, i.system, w.at, "
			"CASE WHEN NOT f.subenabled THEN 'disabled' "
			"WHEN w.runs IS NOT TRUE AND NOT pg_is_in_recovery() THEN 'not running' "
			"WHEN NOT f.ready THEN 'copying' WHEN pg_is_in_recovery() THEN 'standby' ELSE 'running' END, "
			"concat_ws(', ', CASE WHEN f.subenabled THEN 'enabled' ELSE 'disabled' END, "
			"CASE WHEN pg_is_in_recovery() THEN 'this server is a standby, and only its primary knows whether the worker runs' "
			"WHEN w.runs THEN 'its worker runs' ELSE 'no worker runs' END, "
			"CASE WHEN f.ready THEN 'the table is in sync' ELSE format('the initial copy is not done (state %s)', f.state) END, "
			"CASE WHEN NOT pg_is_in_recovery() THEN format('%s errors applying, %s copying', coalesce(e.apply_error_count, 0), coalesce(e.sync_error_count, 0)) END, "
			"CASE WHEN i.name IS NULL THEN 'it belongs to no system: identify it' END) "
			"FROM feed f LEFT JOIN work w ON w.subid = f.oid "
			"LEFT JOIN pg_stat_subscription_stats e ON e.subid = f.oid "
			"LEFT JOIN ownership.identity i ON i.kind = 'subscription' AND i.name = f.subname::text "
			"ORDER BY f.subname",
			&p);
		if (n == 0 && place->source != NULL)
			why_add_fact(why, 0, place->label, "feed", place->source, "none",
						 psprintf("No subscription of this database feeds %s.", table));
		for (uint64 i = 0; i < n; i++)
		{
			char *state = sql_result_text(i, 4);

			why_add_fact(why, sql_result_time(i, 3), place->label, "feed", sql_result_text(i, 2),
						 state,
						 psprintf("Subscription %s: %s.", quote_identifier(sql_result_text(i, 1)),
								  sql_result_text(i, 5)));
			if (strcmp(state, "running") != 0 && strcmp(state, "standby") != 0)
				appendStringInfo(&wrong, " Subscription %s, which feeds %s, is %s.",
								 quote_identifier(sql_result_text(i, 1)), table, state);
		}
	}
	why->feeds = wrong.data;
}

/* Puts an answer of a few sentences before all facts. */
void
why_report_answer(Why *why)
{
	const FieldPlace *best = linitial(why->places);
	StringInfoData text;
	StringInfoData differ;
	int with_row = 0;
	int ndiffer = 0;
	bool any_ambiguous = false;
	ListCell *lc;

	initStringInfo(&text);
	initStringInfo(&differ);
	foreach(lc, why->places)
	{
		const FieldPlace *place = lfirst(lc);
		ListCell *l;
		bool differs = false;

		foreach(l, place->rows)
		{
			differs |= ((FoundRow *) lfirst(l))->differs;
			any_ambiguous |= ((FoundRow *) lfirst(l))->ambiguous;
		}
		with_row += place->rows != NIL;
		if (differs)
			appendStringInfo(&differ, "%s%s", ndiffer++ == 0 ? "" : ", ", place->label);
	}
	if (with_row == 0)
		appendStringInfoString(&text, "No copy that could be looked at has such a row.");
	else if (!best->authoritative)
		appendStringInfoString(&text, "It is undecided which copy is authoritative.");
	else if (best->problem != NULL && best->crosswalk != NULL)
		appendStringInfo(&text, "The row of the authoritative copy %s was not found.", best->label);
	else if (best->problem != NULL)
		appendStringInfo(&text, "The authoritative copy %s could not be looked at.", best->label);
	else if (best->rows == NIL)
		appendStringInfo(&text, "The authoritative copy %s has no such row.", best->label);
	else if (ndiffer > 0)
		appendStringInfo(&text,
						 ngettext("%s differs from the authoritative copy %s.",
								  "%s differ from the authoritative copy %s.", ndiffer),
						 differ.data, best->label);
	else if (list_length(why->places) == 1)
		appendStringInfo(&text, "%s is its only place.", best->label);
	else if (with_row == 1)
		appendStringInfo(&text, "Only the authoritative copy %s has the row.", best->label);
	else
		appendStringInfoString(&text,
							   any_ambiguous
								   ? "A copy is not compared: a crosswalk gives its row several keys."
							   : with_row < list_length(why->places)
								   ? "The copies that have the row agree."
								   : "All copies agree.");
	if (why->waiting > 0)
		appendStringInfo(&text, " A value%s waits%s.",
						 why->waiting_of == NULL ? "" : psprintf(" of \"%s\"", why->waiting_of),
						 why->waiting_problem == NULL
							 ? (with_row == 0 ? " for the row" : ", although the row is there")
							 : ", because it could not be written into the row");
	if (!why->evidence_seen)
		appendStringInfoString(&text, " Whether a value was refused is not known.");
	else if (why->refused > 0)
		appendStringInfo(&text,
						 ngettext(" %d refused write is open; it is of %s, and was %s.",
								  " %d refused writes are open; the last is of %s, and was %s.",
								  why->refused),
						 why->refused,
						 why->refused_by == NULL ? "an unidentified writer"
												 : psprintf("\"%s\"", why->refused_by),
						 why->refused_outcome);
	else if (why->resolved > 0)
		appendStringInfoString(&text, " What was refused is resolved.");
	else if (why->waiting > 0)
		appendStringInfoString(&text, " Nothing was refused.");
	else if (mailbox_remembers())
		appendStringInfoString(&text, " Nothing was refused: what is missing here never arrived.");
	else
		appendStringInfoString(
			&text,
			" Nothing was kept out (what was rejected is in the server log only): what is missing here never arrived.");
	appendStringInfoString(&text, why->feeds);
	why_add_answer(why, psprintf("%s.%s", why->entity, why->field), why->owner,
				   best->authoritative && best->rows != NIL
					   ? ((FoundRow *) linitial(best->rows))->value
					   : NULL,
				   text.data);
}
