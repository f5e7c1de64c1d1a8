/*
 * columns.c
 *		The map follows the columns of a mirrored table.
 *
 * The names that the table's columns had at the last look are compared with
 * their names now, by attribute number; the command itself does not matter.
 * The rules are those of follow.c.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "ddl.h"

/* A mirrored column got another name: its map follows, and the former name is recorded. */
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

/* A mirrored table, and what changed of its columns. */
typedef struct Changes
{
	Oid relid;
	const TablePlace *place;
	List *names;	  /* by attribute number, the names that filters may contain */
	List *fresh;	  /* names of columns that are new and not on the map */
	List *gone;		  /* names of mirrored columns that were dropped; their map waits */
	List *gone_types; /* OIDs of their types */
	bool renamed;	  /* filters may contain names that columns do not have now */
} Changes;

/*
 * The mirrored column that had a name before; NULL: none.  `vacant` returns
 * whether the name is free for another column: the column left the name in this
 * transaction, or is dropped.
 */
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

/* Set the name at an attribute number in the list. */
static void
set_name(List *names, AttrNumber attnum, const char *name)
{
	if (attnum > 0 && attnum <= list_length(names))
		lfirst(list_nth_cell(names, attnum - 1)) = pstrdup(name);
}

/*
 * The map of column `from` comes to column `to`, which has its former name.
 * Filters contain `from`, since they followed the column, and mean `to`.
 */
static void
column_map_returns(Changes *c, const char *from, const char *to)
{
	rename_column_on_map(c->place, from, to);
	set_name(c->names, get_attnum(c->relid, from), to);
	set_name(c->names, get_attnum(c->relid, to), from);
	c->renamed = true;
}

/* A column that had the name `old` ("": none) got a name that is not on the map. */
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
	/* the map of the name goes before the column's own map, which waits */
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

/*
 * A mirrored column was dropped: its map comes to a column that has one of its
 * former names, if there is one.
 */
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

/* Follow what changed of a mirrored table's columns since the last look. */
void
follow_columns(const Binding *b, const TablePlace *place)
{
	List *columns = place_columns(b->relid);
	List *generated = b->generated == NIL ? NIL : place_generated_columns(b->relid);
	Changes c = {.relid = b->relid, .place = place};
	bool changed = false;
	bool retyped;
	int n = Max(list_length(columns), list_length(b->columns));

	for (int i = 0; i < n; i++)
		c.names = lappend(c.names, names_at(b->columns, i));
	for (int i = 0; i < n; i++)
	{
		const char *old = names_at(b->columns, i);
		char *now = names_at(columns, i);

		if (strcmp(old, now) == 0)
		{
			/* a generated column that is an ordinary one now can be on the map */
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
			/* the map of a name belongs to the column that has it; the map of the old name waits */
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
	retyped = b->types != NIL && !equal(b->types, place_types(b->relid));
	if (changed || retyped)
		bind_table(b->schema, b->table, b->relid, b->guarded);
	if (retyped)
		follow_key_types(b->relid, place);
	if (!changed)
		return;
	if (c.renamed)
		rename_in_filters(b->relid, place, place->table, c.names);
	if (c.fresh != NIL)
		queue_add(RelationRelationId, b->relid, NULL, false, false, c.fresh);
	if (c.gone != NIL)
		queue_gone(b->relid, c.gone, c.gone_types);
}
