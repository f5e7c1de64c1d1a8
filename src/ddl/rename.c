/*
 * column.c
 *		The map follows the columns of a mirrored table.
 *
 * What the table's columns were called when it was last looked at is compared
 * with what they are called now, by attribute number: nothing is asked of the
 * command.  The rules are those of follow.c.
 */
#include "base.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* This transaction's snapshot does not see what is on the map now. */
void
changed_meanwhile(void)
{
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("the map was changed after this transaction began")));
}

typedef struct Filter
{
	Relation rel;
	const char *text;
	const char *table;
	List *columns;
	char *renamed;
} Filter;

static void
rename_filter(void *arg)
{
	Filter *f = arg;

	f->renamed = filter_renamed(f->rel, f->text, f->table, f->columns);
}

static int carrying;

/* Are filters written only because what they are on has another name or place? */
bool
filters_are_carried(void)
{
	return carrying > 0;
}

/*
 * A filter that works no more is carried all the same: it is a risk already,
 * and writes fail.  Without it, the whole table would lose its map.
 */
void
table_triggers_write_filters(const char *sql, Parameters *p)
{
	carrying++;
	PG_TRY();
	{
		sql_run(sql, p);
	}
	PG_FINALLY();
	{
		carrying--;
	}
	PG_END_TRY();
}

/* Filters that do not mean the same under new names are written anew. */
void
rename_in_filters(Oid relid, const TablePlace *place, const char *table, List *columns)
{
	Relation rel;
	Parameters p = {0};
	uint64 n;
	SPITupleTable *rules;

	place_add(&p, place);
	n = sql_run("SELECT column_name, position::text, row_filter FROM ownership.row_owner "
				"WHERE table_schema = $1 AND table_name = $2",
				&p);
	rules = SPI_tuptable;
	if (n == 0)
		return;
	/* the command may be about another table, whose name this one takes */
	rel = try_table_open(relid, AccessShareLock);
	if (rel == NULL)
		return; /* dropped meanwhile */
	for (uint64 i = 0; i < n; i++)
	{
		char *column = SPI_getvalue(rules->vals[i], rules->tupdesc, 1);
		char *position = SPI_getvalue(rules->vals[i], rules->tupdesc, 2);
		Filter f = {rel, SPI_getvalue(rules->vals[i], rules->tupdesc, 3), table, columns, NULL};
		Parameters q = {0};

		/* what did not work before is a risk already */
		if (subxact_try(rename_filter, &f) != NULL || f.renamed == NULL)
			continue;
		place_add(&q, place);
		sql_add_text(&q, column);
		sql_add_text(&q, position);
		sql_add_text(&q, f.renamed);
		table_triggers_write_filters("UPDATE ownership.row_owner SET row_filter = $5 WHERE table_schema = $1 "
									 "AND table_name = $2 AND column_name = $3 AND position = $4::integer",
									 &q);
	}
	table_close(rel, NoLock);
}

/* Evidence and activity of a column are found under its name. */
void
rename_column_evidence(const TablePlace *place, const char *from, const char *to)
{
	Parameters p = {0};

	place_add(&p, place);
	sql_add_text(&p, from);
	sql_add_text(&p, to);
	sql_run("UPDATE ownership.conflict SET columns = array_replace(columns, $3::name, $4::name), "
			"row_key = ownership.key_renamed(row_key, $3, $4), "
			"stored = ownership.key_renamed(stored, $3, $4), "
			"proposed = ownership.key_renamed(proposed, $3, $4) "
			"WHERE table_schema = $1 AND table_name = $2 "
			"AND ($3::name = ANY (columns) OR row_key ? $3 OR stored ? $3 OR proposed ? $3)",
			&p);
	sql_run("UPDATE ownership.activity a SET column_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3 "
			"AND NOT EXISTS (SELECT FROM ownership.activity b WHERE b.table_schema = $1 "
			"AND b.table_name = $2 AND b.column_name = $4 AND b.system IS NOT DISTINCT FROM a.system)",
			&p);
}

bool
lookup_column_is_mirrored(const TablePlace *place, const char *column)
{
	const char *keys[3] = {place->schema, place->table, column};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 3, keys, NULL);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

static void
rename_column_on_map(const TablePlace *place, const char *from, const char *to)
{
	Parameters p = {0};

	place_add(&p, place);
	sql_add_text(&p, from);
	sql_add_text(&p, to);
	if (sql_run("UPDATE ownership.mirrored_column SET column_name = $4 "
				"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3",
				&p) == 0)
		changed_meanwhile();
	sql_run("UPDATE ownership.former_column SET column_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3",
			&p);
	/* it is back */
	sql_run("DELETE FROM ownership.former_column WHERE table_schema = $1 AND table_name = $2 "
			"AND former_name = $4 AND column_name = $4 AND $3 IS NOT NULL",
			&p);
	rename_column_evidence(place, from, to);
}

/* A mirrored column left its name for another one: its map goes with it. */
static void
column_leaves(const TablePlace *place, const char *from, const char *to)
{
	Parameters p = {0};

	place_add(&p, place);
	sql_add_text(&p, from);
	sql_add_text(&p, to);
	rename_column_on_map(place, from, to);
	sql_run("INSERT INTO ownership.former_column (table_schema, table_name, former_name, column_name, left_in) "
			"VALUES ($1, $2, $3, $4, pg_current_xact_id()) ON CONFLICT (table_schema, table_name, former_name) "
			"DO UPDATE SET column_name = $4, left_in = pg_current_xact_id()",
			&p);
}

/* A table of which columns were renamed, dropped or added. */
typedef struct Changes
{
	Oid relid;
	const TablePlace *place;
	List *names; /* by attribute number, as filters may say them */
	List *fresh; /* columns that are new and not on the map */
	List *gone;	 /* mirrored columns whose map waits */
	List *gone_types;
	bool renamed; /* filters may say other names than there are */
} Changes;

/* The mirrored column that had a name before, and whether it surely made room. */
static char *
column_left_from(const Changes *c, const char *name, bool *vacant)
{
	Parameters p = {0};
	char *now;

	place_add(&p, c->place);
	sql_add_text(&p, name);
	if (sql_run("SELECT column_name, left_in = pg_current_xact_id() FROM ownership.former_column "
				"JOIN ownership.mirrored_column USING (table_schema, table_name, column_name) "
				"WHERE table_schema = $1 AND table_name = $2 AND former_name = $3",
				&p) == 0)
		return NULL;
	now = sql_result_text(0, 1);
	*vacant = sql_result_bool(0, 2) || get_attnum(c->relid, now) == InvalidAttrNumber;
	return now;
}

static void
set_name(List *names, AttrNumber attnum, const char *name)
{
	if (attnum > 0 && attnum <= list_length(names))
		lfirst(list_nth_cell(names, attnum - 1)) = pstrdup(name);
}

/*
 * The map of a column comes to the one that has its name now.  Filters say
 * `from`, as they followed it, and mean the name.
 */
static void
column_map_returns(Changes *c, const char *from, const char *to)
{
	rename_column_on_map(c->place, from, to);
	set_name(c->names, get_attnum(c->relid, from), to);
	set_name(c->names, get_attnum(c->relid, to), from);
	c->renamed = true;
}

/* A column came to a name that is not on the map. */
static void
column_arrives(Changes *c, const char *old, char *name)
{
	bool vacant = false;
	char *from = column_left_from(c, name, &vacant);
	bool mirrored = old[0] != '\0' && lookup_column_is_mirrored(c->place, old);

	if (mirrored && !(vacant && strcmp(from, old) != 0))
	{
		column_leaves(c->place, old, name);
		return;
	}
	/* the map of the name comes before its own, which waits */
	if (mirrored)
		(void) table_pattern_drop_undecided(c->place, old);
	if (from == NULL)
		c->fresh = lappend(c->fresh, name);
	else if (vacant)
		column_map_returns(c, from, name);
	else
		ereport(WARNING,
				(errmsg("column \"%s\" of table \"%s\" is not on the ownership map", name,
						names_message_relation(c->place->schema, c->place->table)),
				 errdetail("The map of that name followed its column, which is called \"%s\" now.",
						   from)));
}

/* A mirrored column is gone: another one may have its former name. */
static void
column_goes(Changes *c, const char *name)
{
	Parameters p = {0};
	uint64 n;
	SPITupleTable *names;

	place_add(&p, c->place);
	sql_add_text(&p, name);
	n = sql_run("SELECT former_name FROM ownership.former_column WHERE table_schema = $1 "
				"AND table_name = $2 AND column_name = $3 ORDER BY left_in DESC",
				&p);
	names = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		char *former = SPI_getvalue(names->vals[i], names->tupdesc, 1);

		if (get_attnum(c->relid, former) == InvalidAttrNumber ||
			(lookup_column_is_mirrored(c->place, former) &&
			 !table_pattern_drop_undecided(c->place, former)))
			continue;
		column_map_returns(c, name, former);
		return;
	}
}

static char *
name_at(List *columns, int i)
{
	return i < list_length(columns) ? list_nth(columns, i) : "";
}

/* Columns were renamed, dropped or added since the table was last looked at. */
void
follow_columns(const Binding *b, const TablePlace *place)
{
	List *columns = place_columns(b->relid);
	List *generated = b->generated == NIL ? NIL : place_generated_columns(b->relid);
	Changes c = {.relid = b->relid, .place = place};
	bool changed = false;
	int n = Max(list_length(columns), list_length(b->columns));

	for (int i = 0; i < n; i++)
		c.names = lappend(c.names, name_at(b->columns, i));
	for (int i = 0; i < n; i++)
	{
		const char *old = name_at(b->columns, i);
		char *now = name_at(columns, i);

		if (strcmp(old, now) == 0)
		{
			/* a column that was generated, and can be on the map now */
			if (now[0] == '\0' || !names_contain(b->generated, now) || names_contain(generated, now))
				continue;
			changed = true;
			if (!lookup_column_is_mirrored(place, now))
				c.fresh = lappend(c.fresh, now);
			continue;
		}
		changed = true;
		c.renamed |= old[0] != '\0' && now[0] != '\0';
		if (now[0] != '\0')
		{
			/* the map of a name belongs to what carries it: then the old one waits */
			if (!lookup_column_is_mirrored(place, now))
				column_arrives(&c, old, now);
		}
		else if (lookup_column_is_mirrored(place, old))
		{
			column_goes(&c, old);
			if (lookup_column_is_mirrored(place, old) && i < list_length(b->types))
			{
				c.gone = lappend(c.gone, pstrdup(old));
				c.gone_types = lappend_oid(c.gone_types, list_nth_oid(b->types, i));
			}
		}
	}
	/* their types may be others */
	if (changed ||
		(b->types != NIL && !equal(b->types, place_types(b->relid, list_length(columns)))))
		bind_table(b->schema, b->table, b->relid, b->guarded);
	if (!changed)
		return;
	if (c.renamed)
		rename_in_filters(b->relid, place, place->table, c.names);
	if (c.fresh != NIL)
		queue_add(RelationRelationId, b->relid, NULL, false, false, c.fresh);
	if (c.gone != NIL)
		queue_gone(b->relid, c.gone, c.gone_types);
}
