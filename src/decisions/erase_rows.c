/*
 * erase_rows.c
 *		The rows that erase() is about: the row that the caller names, under every key that
 *		it is known to have had, and the rows of other tables that match keys tie to it.
 *
 * A row belongs to an entity if its table's key is of that entity, or if the entity's
 * match fields identify its rows.  The rows of another table are tied to it if both
 * tables contain match fields of the entity, all that both contain are equal, and
 * these identify a row in one of the two tables.  From there on it goes on to tables
 * that contain other match fields: so a crosswalk is followed.  Each table is reached
 * once: what is tied to the row is never a way back to other rows of a table.
 *
 * The row may be deleted.  Then its match fields are known from its key, and from its
 * evidence.  Of a table that was reached, a row that is deleted is known if its key
 * consists of match fields.
 *
 * Tables are read with the caller's privileges, evidence as the owner of the
 * extension's tables.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../drift/drift.h"
#include "../rules/rules.h"
#include "decisions.h"

/* What a row, stored or not, has in match fields. */
typedef struct Known
{
	const TablePlace *place;
	Oid relid;
	List *keys;	  /* KeyColumn: the table's match fields */
	char **texts; /* their values, in that order; NULL: not known, or NULL */
} Known;

/* The search in one entity. */
typedef struct Search
{
	MatchMemo *memo;
	List *reached; /* TablePlace */
	List *open;	   /* Known: rows from which other tables are looked at */
	List **rows;   /* ErasedRow: the result */
} Search;

/* The end of time, as a limit of ErasedRow. */
#define EVER ((TimestampTz) DT_NOEND)
#define ALWAYS ((TimestampTz) DT_NOBEGIN)

static bool
same_place(const TablePlace *a, const char *schema, const char *table)
{
	return strcmp(a->table, table) == 0 && strcmp(a->schema, schema) == 0;
}

/* Adds a row, unless it is known under this key for so long. */
static ErasedRow *
add_row(List **rows, const char *schema, const char *table, Jsonb *key, TimestampTz since,
		TimestampTz until)
{
	ErasedRow *row = palloc(sizeof(ErasedRow));

	*row = (ErasedRow){unconstify(char *, schema), unconstify(char *, table), key, since, until};
	*rows = lappend(*rows, row);
	return row;
}

/*
 * Errors: row security hides rows of the table from the caller, so that some could
 * be missed; the table runs code of other roles when it is read.
 */
static void
check_readable(Oid relid)
{
	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row security hides rows of table \"%s\" from role \"%s\"",
						names_message_relation_oid(relid), GetUserNameFromId(GetUserId(), false)),
				 errdetail("Evidence of rows that are not seen would not be erased."),
				 errhint("Erase as a role with BYPASSRLS.")));
	if (superuser() && trust_reading_runs_code(relid))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("reading table \"%s\" runs functions of other roles",
							   names_message_relation_oid(relid))));
}

/* The columns of the key by which evidence names rows of a table, as RowColumn *. */
static List *
evidence_key(Oid relid, Oid *home)
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

/* SQL for the key of a row of the table t as evidence has it. */
static char *
key_sql(List *columns)
{
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "pg_catalog.jsonb_build_object(");
	foreach(lc, columns)
	{
		const RowColumn *col = lfirst(lc);

		appendStringInfo(&sql, "%s%s, %s", foreach_current_index(lc) > 0 ? ", " : "",
						 quote_literal_cstr(col->name),
						 sql_key_value(sql_column("t", col->name), col->type));
	}
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* A query with parameters of types that are known at run time. */
typedef struct RowQuery
{
	StringInfoData where;
	int n;
	Oid types[INDEX_MAX_KEYS];
	Datum values[INDEX_MAX_KEYS];
} RowQuery;

/* Adds a value as a parameter; returns its number. */
static int
add_value(RowQuery *q, Oid type, char *text)
{
	type = getBaseType(type);
	q->types[q->n] = type;
	q->values[q->n] = value_from_text(type, text);
	return ++q->n;
}

/*
 * Reads the rows of a table: the key that evidence has, and the texts of match fields.
 * Adds them to the result, and to the rows from which the search goes on.  Returns how
 * many there are.
 */
static uint64
read_rows(Search *s, const TablePlace *place, Oid relid, List *key, List *fields, RowQuery *q)
{
	StringInfoData sql;
	uint64 n;
	ListCell *lc;
	SPITupleTable *found;
	int rc;

	check_readable(relid);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s", key_sql(key));
	foreach(lc, fields)
		appendStringInfo(&sql, ", %s",
						 sql_text(sql_column("t", ((KeyColumn *) lfirst(lc))->holder.column)));
	appendStringInfo(&sql, " FROM %s AS t WHERE %s",
					 quote_qualified_identifier(place->schema, place->table), q->where.data);
	rc = SPI_execute_with_args(sql.data, q->n, q->types, q->values, NULL, false, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	n = SPI_processed;
	found = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		Known *known = palloc0(sizeof(Known));

		CHECK_FOR_INTERRUPTS();
		add_row(s->rows, place->schema, place->table, sql_result_jsonb(i, 1), ALWAYS, EVER);
		known->place = place;
		known->relid = relid;
		known->keys = fields;
		known->texts = palloc0((list_length(fields) + 1) * sizeof(char *));
		for (int f = 0; f < list_length(fields); f++)
			known->texts[f] = sql_result_text(i, f + 2);
		s->open = lappend(s->open, known);
	}
	SPI_freetuptable(found);
	return n;
}

/* The match fields that both a row and a table contain: the indexes in Known.keys. */
static List *
common_fields(const Known *known, List *keys)
{
	List *common = NIL;
	ListCell *lc;

	foreach(lc, known->keys)
	{
		if (holder_find_key(keys, ((KeyColumn *) lfirst(lc))->field) != NULL)
			common = lappend_int(common, foreach_current_index(lc));
	}
	return common;
}

/* Do the fields identify a row in one of the two tables? */
static bool
fields_identify(const Known *known, List *common, Oid relid, List *keys)
{
	List *here = NIL;
	List *there = NIL;
	ListCell *lc;

	foreach(lc, common)
	{
		const KeyColumn *k = list_nth(known->keys, lfirst_int(lc));

		here = lappend_int(here, k->holder.attnum);
		there = lappend_int(there, holder_find_key(keys, k->field)->holder.attnum);
	}
	return holder_identifies_row(known->relid, here) || holder_identifies_row(relid, there);
}

/* What make_key() makes the key of a row of. */
typedef struct KeyMaking
{
	List *columns; /* RowColumn */
	List *texts;   /* char *, their values; of another table's type */
	Jsonb *key;
} KeyMaking;

static void
make_key(void *arg)
{
	KeyMaking *making = arg;

	making->key = pin_key_of(making->columns, making->texts);
}

/* The key of a row whose key columns all are match fields of this value; NULL: it is not known. */
static Jsonb *
derived_key(const Known *known, List *key, List *fields)
{
	KeyMaking making = {key, NIL, NULL};
	ListCell *lc;

	foreach(lc, key)
	{
		const RowColumn *col = lfirst(lc);
		char *text = NULL;
		ListCell *l;

		foreach(l, fields)
		{
			const KeyColumn *k = lfirst(l);

			for (int i = 0; i < list_length(known->keys); i++)
			{
				if (strcmp(k->holder.column, col->name) == 0 &&
					strcmp(((KeyColumn *) list_nth(known->keys, i))->field, k->field) == 0)
					text = known->texts[i];
			}
		}
		if (text == NULL)
			return NULL;
		making.texts = lappend(making.texts, text);
	}
	if (key == NIL)
		return NULL;
	/* a value that the key's type does not have is no key */
	return subxact_try(make_key, &making) == NULL ? making.key : NULL;
}

/*
 * Looks for rows of a table that are tied to a row that is known.  False: the table is not
 * reached.  *told: the caller was told that it is not known which rows belong together.
 */
static bool
reach(Search *s, const TablePlace *place, const Known *known, bool *told)
{
	List *keys = match_keys(s->memo, place->schema, place->table);
	List *common = keys == NIL ? NIL : common_fields(known, keys);
	RowQuery q = {0};
	Oid relid;
	Oid home;
	List *key;
	Jsonb *derived;
	ListCell *lc;

	if (common == NIL)
		return false;
	foreach(lc, common)
		if (known->texts[lfirst_int(lc)] == NULL)
			return false;
	relid = ((KeyColumn *) linitial(keys))->holder.relid;
	if (!fields_identify(known, common, relid, keys))
	{
		if (!*told)
			ereport(NOTICE,
					(errmsg("evidence of rows of table \"%s\" is left as it is",
							names_message_relation(place->schema, place->table)),
					 errdetail("It has match keys of \"%s\" in common with table \"%s\", but no unique index of them in either says which rows belong together.",
							   s->memo->entity,
							   names_message_relation(known->place->schema, known->place->table)),
					 errhint("Give erase() a value, to erase all evidence that contains it.")));
		*told = true;
		return true;
	}
	initStringInfo(&q.where);
	foreach(lc, common)
	{
		const KeyColumn *a = list_nth(known->keys, lfirst_int(lc));
		const KeyColumn *b = holder_find_key(keys, a->field);
		int n = add_value(&q, a->holder.type, known->texts[lfirst_int(lc)]);

		appendStringInfo(&q.where, "%s%s", n > 1 ? " AND " : "",
						 sql_key_match(psprintf("$%d", n), a->holder.type, a->holder.collation,
									   sql_column("t", b->holder.column), b->holder.type,
									   b->holder.collation)
							 .sql);
	}
	key = evidence_key(relid, &home);
	if (key == NIL)
		return true; /* evidence of a table without a key names no rows */
	derived = derived_key(known, key, keys);
	if (derived != NULL)
		add_row(s->rows, place->schema, place->table, derived, ALWAYS, EVER);
	if (read_rows(s, place, relid, key, keys, &q) == 0 && derived != NULL)
	{
		/* the row is deleted, and is the way to others all the same */
		Known *gone = palloc0(sizeof(Known));

		gone->place = place;
		gone->relid = relid;
		gone->keys = keys;
		gone->texts = palloc0((list_length(keys) + 1) * sizeof(char *));
		foreach(lc, common)
		{
			const KeyColumn *a = list_nth(known->keys, lfirst_int(lc));

			for (int i = 0; i < list_length(keys); i++)
				if (strcmp(((KeyColumn *) list_nth(keys, i))->field, a->field) == 0)
					gone->texts[i] = known->texts[lfirst_int(lc)];
		}
		s->open = lappend(s->open, gone);
	}
	return true;
}

/* Is the same known of both rows, which are of one entity? */
static bool
knows_same(const Known *a, const Known *b)
{
	if (a == NULL || a->place != b->place)
		return false;
	for (int i = 0; i < list_length(a->keys); i++)
	{
		if (a->texts[i] == NULL || b->texts[i] == NULL ? a->texts[i] != b->texts[i]
													   : strcmp(a->texts[i], b->texts[i]) != 0)
			return false;
	}
	return true;
}

/* Goes from the rows that are known to those of the entity's other tables. */
static void
search(Search *s)
{
	List *places = place_tables_with(s->memo->entity, s->memo->fields);

	while (s->open != NIL)
	{
		List *from = s->open;
		List *reached = NIL;
		ListCell *lc;

		s->open = NIL;
		foreach(lc, places)
		{
			const TablePlace *place = lfirst(lc);
			const Known *before = NULL;
			bool known = false;
			bool found = false;
			bool told = false;
			ListCell *l;

			foreach(l, s->reached)
				known |= same_place(lfirst(l), place->schema, place->table);
			foreach(l, from)
			{
				/* many rows of one table mostly say the same */
				if (!known && !knows_same(before, lfirst(l)))
					found |= reach(s, place, lfirst(l), &told);
				before = lfirst(l);
			}
			if (found)
				reached = lappend(reached, unconstify(TablePlace *, place));
		}
		s->reached = list_concat(s->reached, reached);
	}
}

/* Of a jsonb object of evidence, the text of a column, if it is known. */
static char *
text_in(Jsonb *object, const char *column)
{
	char *text = NULL;

	if (object != NULL && JB_ROOT_IS_OBJECT(object) &&
		value_object_text(object, column, &text) == VALUE_TEXT)
		return text;
	return NULL;
}

/* The changes of keys that are recorded: of a row with new_key that had old_key before. */
#define MOVES(table, outcomes, of)                                                                                                           \
	"SELECT recorded_at, row_key || o.changed AS old_key, row_key AS new_key FROM " table                                                    \
	" CROSS JOIN LATERAL (SELECT jsonb_object_agg(k, stored -> k) AS changed FROM jsonb_object_keys(row_key) k "                            \
	"WHERE stored ? k AND stored -> k <> row_key -> k AND jsonb_typeof(stored -> k) <> 'object') o "                                        \
	"WHERE table_schema = $1 AND table_name = $2 AND operation = 'UPDATE' AND jsonb_typeof(row_key) = 'object' "                             \
	"AND jsonb_typeof(stored) = 'object' AND stored ?| ARRAY(SELECT jsonb_object_keys(row_key)) AND o.changed IS NOT NULL " outcomes of

#define OF_EVIDENCE "AND outcome IN ('observed', 'filled', 'overridden') "
#define OF_NEW_KEY                                                               \
	"AND jsonb_hash_extended(row_key, 0) = jsonb_hash_extended($3, 0) AND row_key = $3"
#define OF_OLD_KEY "AND row_key || o.changed = $3"

#define MOVES_OF(of)                                       \
	MOVES("ownership.conflict", OF_EVIDENCE, of) " UNION ALL " \
	MOVES("ownership.history", "", of)

/*
 * Adds the keys that the row had before (by index), and, if it is not stored, those
 * that it got later: evidence has the old key only inside, so all of it is read.
 */
static void
add_former_keys(const TablePlace *place, bool is_stored, List **rows)
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
			n = sql_run(later ? "SELECT recorded_at, new_key FROM (" MOVES_OF(OF_OLD_KEY)
									") m WHERE recorded_at BETWEEN $4 AND $5 ORDER BY 1"
							  : "SELECT recorded_at, old_key FROM (" MOVES_OF(OF_NEW_KEY)
									") m WHERE recorded_at BETWEEN $4 AND $5 ORDER BY 1",
						&p);
			role_restore(&caller);
			for (uint64 m = 0; m < n; m++)
			{
				TimestampTz at = sql_result_time(m, 1);
				Jsonb *key = sql_result_jsonb(m, 2);
				bool known = false;
				ListCell *lc;

				foreach(lc, *rows)
					known |=
						compareJsonbContainers(&((ErasedRow *) lfirst(lc))->key->root, &key->root) == 0;
				if (!known)
					add_row(rows, place->schema, place->table, key, later ? at : ALWAYS,
							later ? EVER : at);
			}
		}
	}
}

/* Other texts of the same key: numbers that are equal may have several. */
static void
add_equal_keys(const TablePlace *place, List *columns, Jsonb *key, List **rows)
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
			char *a = text_in(key, col->name);
			char *b = text_in(other, col->name);

			same = same && a != NULL && b != NULL && value_same_text(col->type, a, b);
		}
		if (same)
			add_row(rows, place->schema, place->table, other, ALWAYS, EVER);
	}
}

/* What is known of the row's match fields: from its key, and where its evidence tells. */
static Known *
known_of_key(const TablePlace *place, Oid relid, List *fields, List *rows)
{
	Known *known = palloc0(sizeof(Known));
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
		found = sql_run("SELECT v FROM (SELECT id, stored AS v, 1 AS n FROM ownership.conflict "
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
				known->texts[f] = text_in(sql_result_jsonb(i, 1), column);
			if (known->texts[f] == NULL)
				known->texts[f] = text_in(row->key, column);
		}
	}
	return known;
}

/* The names (char *) of the entities of which the table contains a column. */
static List *
entities_of(const TablePlace *place)
{
	const char *keys[2] = {place->schema, place->table};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, NULL);
	List *entities = NIL;

	while (catalog_next(scan))
	{
		char *entity = catalog_text(scan, Anum_mirrored_column_entity);

		if (!names_contain(entities, entity))
			entities = lappend(entities, entity);
	}
	catalog_end(scan);
	return entities;
}

/* Are the rows of the table records of the entity? */
static bool
is_record_of(const TablePlace *place, Oid relid, const char *entity, List *fields, List *key)
{
	List *attnums = NIL;
	bool own = true;
	ListCell *lc;

	foreach(lc, key)
	{
		char *of;
		char *field;

		own = own &&
			  lookup_mapped_field(place->schema, place->table, ((RowColumn *) lfirst(lc))->name, &of,
								  &field) &&
			  strcmp(of, entity) == 0;
	}
	foreach(lc, fields)
		attnums = lappend_int(attnums, ((KeyColumn *) lfirst(lc))->holder.attnum);
	return fields != NIL && (own || holder_identifies_row(relid, attnums));
}

/*
 * The rows (ErasedRow) that are to be erased: the row of a table on the map with this
 * key, which pin_canonical_key() has made, and those that are tied to it.  Needs SPI.
 *
 * Errors: the caller may not read a table, or row security hides rows of it.
 */
List *
erase_find_rows(Oid relid, const TablePlace *place, Jsonb *key)
{
	List *rows = NIL;
	Oid home;
	List *columns = evidence_key(relid, &home);
	RowQuery q = {0};
	Search s = {.rows = &rows};
	bool is_stored;
	ListCell *lc;

	add_row(&rows, place->schema, place->table, key, ALWAYS, EVER);
	add_equal_keys(place, columns, key, &rows);
	initStringInfo(&q.where);
	foreach(lc, columns)
	{
		const RowColumn *col = lfirst(lc);
		Oid collation = get_typcollation(col->type);
		int n = add_value(&q, col->type, text_in(key, col->name));

		appendStringInfo(&q.where, "%s%s", n > 1 ? " AND " : "",
						 sql_key_match(psprintf("$%d", n), col->type, collation,
									   sql_column("t", col->name), col->type, collation)
							 .sql);
	}
	/* the key as the stored row has it */
	is_stored = read_rows(&s, place, home, columns, NIL, &q) > 0;
	s.open = NIL;
	add_former_keys(place, is_stored, &rows);
	foreach(lc, entities_of(place))
	{
		List *fields;

		s.memo = match_memo(NULL, lfirst(lc));
		s.reached = list_make1(unconstify(TablePlace *, place));
		s.open = NIL;
		fields = match_keys(s.memo, place->schema, place->table);
		if (!is_record_of(place, home, lfirst(lc), fields, columns))
			continue;
		if (is_stored)
		{
			List *none = NIL;
			List **all = s.rows;

			s.rows = &none;
			(void) read_rows(&s, place, home, columns, fields, &q);
			s.rows = all;
		}
		else
		{
			List *own = NIL;
			ListCell *l;

			foreach(l, rows)
				if (same_place(place, ((ErasedRow *) lfirst(l))->schema,
							   ((ErasedRow *) lfirst(l))->table))
					own = lappend(own, lfirst(l));
			s.open = list_make1(known_of_key(place, home, fields, own));
		}
		search(&s);
	}
	return rows;
}
