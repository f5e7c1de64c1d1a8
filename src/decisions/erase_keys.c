/*
 * erase_keys.c
 *		The keys of a row that is erased: those that it had before and got later, those with
 *		another text; and what its evidence tells of its match fields.
 *
 * A key belongs to the row from one time to another: later it may be another row's.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../drift/drift.h"
#include "../rules/rules.h"
#include "decisions.h"

/* The columns of the key by which evidence names rows of a table, as RowColumn *. */
List *
erase_key_columns(Oid relid, Oid *home)
{
	Relation rel = relation_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	List *columns = NIL;

	*home = map->mapped ? map->home : InvalidOid;
	for (int i = 0; map->mapped && i < map->nkey_attrs; i++)
	{
		RowColumn *col =
			place_row_column(map->home, get_attname(map->relid, map->key_attrs[i], false));

		if (col != NULL)
			columns = lappend(columns, col);
	}
	relation_close(rel, AccessShareLock);
	return columns;
}

/* Adds a row, which has this key from `since` until `until`. */
ErasedRow *
erase_add_row(List **rows, const char *schema, const char *table, Jsonb *key, TimestampTz since,
			  TimestampTz until)
{
	ErasedRow *row = palloc(sizeof(ErasedRow));

	*row = (ErasedRow){unconstify(char *, schema), unconstify(char *, table), key, since, until};
	*rows = lappend(*rows, row);
	return row;
}

/* Of a jsonb object of evidence, the text of a column, if it is known. */
char *
erase_text_in(Jsonb *object, const char *column)
{
	char *text = NULL;

	if (object != NULL && JB_ROOT_IS_OBJECT(object) &&
		value_object_text(object, column, &text) == VALUE_TEXT)
		return text;
	return NULL;
}

/* The changes of keys that are recorded: of a row with new_key that had old_key before. */
#define MOVES(table, outcomes, of)                                                                                                   \
	"SELECT recorded_at, row_key || o.changed AS old_key, row_key AS new_key FROM " table                                            \
	" CROSS JOIN LATERAL (SELECT jsonb_object_agg(k, " STORED_AS_KEY ") AS changed "                                                 \
	"FROM jsonb_object_keys(row_key) k WHERE " KEY_CHANGED ") o "                                                                    \
	"WHERE table_schema = $1 AND table_name = $2 AND operation = 'UPDATE' AND jsonb_typeof(row_key) = 'object' "                     \
	"AND jsonb_typeof(stored) = 'object' AND stored ?| ARRAY(SELECT jsonb_object_keys(row_key)) AND o.changed IS NOT NULL " outcomes \
		of

#define OF_EVIDENCE "AND outcome IN ('observed', 'filled', 'overridden') "
#define OF_NEW_KEY \
	"AND jsonb_hash_extended(row_key, 0) = jsonb_hash_extended($3, 0) AND row_key = $3"
#define OF_OLD_KEY "AND row_key || o.changed = $3"

#define MOVES_OF(of) \
	MOVES("ownership.conflict", OF_EVIDENCE, of) " UNION ALL " MOVES("ownership.history", "", of)

/* What is known of the row's match fields: from its key, and where its evidence tells. */
KnownRow *
erase_known_row(const TablePlace *place, Oid relid, List *fields, List *rows)
{
	KnownRow *known = palloc0(sizeof(KnownRow));
	int n = list_length(fields);
	ListCell *lc;

	known->place = place;
	known->relid = relid;
	known->keys = fields;
	known->texts = palloc0((n + 1) * sizeof(char *));
	foreach(lc, rows)
	{
		const ErasedRow *row = lfirst(lc);
		Parameters p = {0};
		SavedRole caller = role_become_extension();
		uint64 found;

		sql_add_text(&p, place->schema);
		sql_add_text(&p, place->table);
		sql_add_value(&p, JSONBOID, JsonbPGetDatum(row->key), false);
		sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(row->since), false);
		sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(row->until), false);
		/* what was stored, the latest first */
		found =
			sql_run("SELECT v FROM (SELECT id, stored AS v, 1 AS n FROM ownership.conflict "
					"WHERE table_schema = $1 AND table_name = $2 " OF_NEW_KEY
					" AND recorded_at BETWEEN $4 AND $5 AND jsonb_typeof(stored) = 'object' "
					"UNION ALL SELECT id, proposed, 0 FROM ownership.conflict "
					"WHERE table_schema = $1 AND table_name = $2 " OF_NEW_KEY
					" AND recorded_at BETWEEN $4 AND $5 AND jsonb_typeof(proposed) = 'object' " OF_EVIDENCE
					"UNION ALL SELECT id, proposed, 0 FROM ownership.history "
					"WHERE table_schema = $1 AND table_name = $2 " OF_NEW_KEY
					" AND recorded_at BETWEEN $4 AND $5) e ORDER BY id DESC, n LIMIT 1000",
					&p);
		role_restore(&caller);
		for (int f = 0; f < n; f++)
		{
			const char *column = ((KeyColumn *) list_nth(fields, f))->holder.column;

			for (uint64 i = 0; i < found && known->texts[f] == NULL; i++)
				known->texts[f] = erase_text_in(sql_result_jsonb(i, 1), column);
			if (known->texts[f] == NULL)
				known->texts[f] = erase_text_in(row->key, column);
		}
	}
	return known;
}

/*
 * Adds the keys that the row had before (by index), and, if it is not stored, those
 * that it got later: evidence has the old key only inside, so all of it is read.
 */
void
erase_add_former_keys(const TablePlace *place, bool is_stored, List **rows)
{
	for (int i = 0; i < list_length(*rows); i++)
	{
		const ErasedRow *row = list_nth(*rows, i);

		for (int later = 0; later <= (is_stored ? 0 : 1); later++)
		{
			Parameters p = {0};
			SavedRole caller = role_become_extension();
			uint64 n;

			sql_add_text(&p, place->schema);
			sql_add_text(&p, place->table);
			sql_add_value(&p, JSONBOID, JsonbPGetDatum(row->key), false);
			sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(row->since), false);
			sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(row->until), false);
			n = sql_run_composed(later
									 ? "SELECT recorded_at, new_key FROM (" MOVES_OF(
										   OF_OLD_KEY) ") m WHERE recorded_at BETWEEN $4 AND $5 ORDER BY 1"
									 : "SELECT recorded_at, old_key FROM (" MOVES_OF(
										   OF_NEW_KEY) ") m WHERE recorded_at BETWEEN $4 AND $5 ORDER BY 1",
								 &p);
			role_restore(&caller);
			for (uint64 m = 0; m < n; m++)
			{
				TimestampTz at = sql_result_time(m, 1);
				Jsonb *key = sql_result_jsonb(m, 2);
				bool known = false;
				ListCell *lc;

				foreach(lc, *rows)
					known |= compareJsonbContainers(&((ErasedRow *) lfirst(lc))->key->root,
													&key->root) == 0;
				if (!known)
					erase_add_row(rows, place->schema, place->table, key, later ? at : DT_NOBEGIN,
								  later ? DT_NOEND : at);
			}
		}
	}
}

/* Other texts of the same key: numbers that are equal may have several. */
void
erase_add_equal_keys(const TablePlace *place, List *columns, Jsonb *key, List **rows)
{
	Parameters p = {0};
	SavedRole caller;
	bool numeric = false;
	ListCell *lc;
	uint64 n;

	foreach(lc, columns)
		numeric |= getBaseType(((RowColumn *) lfirst(lc))->type) == NUMERICOID;
	if (!numeric)
		return;
	caller = role_become_extension();
	sql_add_text(&p, place->schema);
	sql_add_text(&p, place->table);
	n = sql_run("SELECT row_key FROM ownership.conflict WHERE table_schema = $1 AND table_name = $2 AND jsonb_typeof(row_key) = 'object' "
				"UNION SELECT row_key FROM ownership.history WHERE table_schema = $1 AND table_name = $2 AND jsonb_typeof(row_key) = 'object' "
				"UNION SELECT row_key FROM ownership.pin WHERE table_schema = $1 AND table_name = $2",
				&p);
	role_restore(&caller);
	for (uint64 i = 0; i < n; i++)
	{
		Jsonb *other = sql_result_jsonb(i, 1);
		bool same = true;

		CHECK_FOR_INTERRUPTS();
		foreach(lc, columns)
		{
			const RowColumn *col = lfirst(lc);
			char *a = erase_text_in(key, col->name);
			char *b = erase_text_in(other, col->name);

			same = same && a != NULL && b != NULL && value_same_text(col->type, a, b);
		}
		if (same)
			erase_add_row(rows, place->schema, place->table, other, DT_NOBEGIN, DT_NOEND);
	}
}
