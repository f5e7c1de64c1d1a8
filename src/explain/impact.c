/*
 * impact.c
 *		impact(field): what reads a field by definition, and which systems do.
 *
 * Beginning with the columns of the field, each step asks what reads what was found
 * (impact_sql.c), looks at the definitions (impact_tree.c, impact_body.c), and goes on
 * with what they make of it: the columns of views that are made of the column, generated
 * columns, functions.  An object is reported once, at its smallest depth.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/nodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../activity/activity.h"
#include "../edit/edit.h"
#include "explain.h"

PG_FUNCTION_INFO_V1(ownership_impact);

/* A column, relation or function whose readers are asked for. */
typedef struct Step
{
	ImpactTarget target;
	int depth;		  /* of what reads it */
	bool may;		  /* it is not certain that it reads the field */
	const char *name; /* for details; NULL: the field's own column */
} Step;

/* A call of impact(). */
typedef struct Impact
{
	ReturnSetInfo *rsinfo;
	char *path;	 /* the caller's search path */
	List *steps; /* Step, those that are done, too */
	List *seen;	 /* ImpactCandidate: what was reported */
} Impact;

static void
report(Impact *impact, const char *kind, const char *object, int depth, const char *detail)
{
	Datum values[4];
	bool nulls[4] = {0};

	call_put_text(values, nulls, 0, kind);
	call_put_text(values, nulls, 1, object);
	values[2] = Int32GetDatum(depth);
	call_put_text(values, nulls, 3, detail);
	tuplestore_putvalues(impact->rsinfo->setResult, impact->rsinfo->setDesc, values, nulls);
}

/* Asks for the readers of a column, of any column (attnum 0), or of a function, unless it has been. */
static void
add_step(Impact *impact, Oid relid, AttrNumber attnum, Oid function, int depth, bool may,
		 const char *name)
{
	Step *step;
	ListCell *lc;

	foreach(lc, impact->steps)
	{
		const Step *known = lfirst(lc);

		if (known->target.relid == relid && known->target.function == function &&
			(known->target.attnum == attnum || known->target.attnum == 0))
			return;
	}
	step = palloc0(sizeof(Step));
	step->target.relid = relid;
	step->target.attnum = attnum;
	step->target.function = function;
	step->depth = depth;
	step->may = may;
	step->name = name;
	impact->steps = lappend(impact->steps, step);
}

/* The column of that name in the table, and in those below and above it, whose rows it shares. */
static void
add_column(Impact *impact, const char *schema, const char *table, const char *column)
{
	Parameters p = {0};
	uint64 n;
	List *relids = NIL;
	ListCell *lc;

	sql_add_oid(&p, place_find(schema, table));
	n = sql_run("WITH RECURSIVE below AS (SELECT $1 AS relid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below b ON i.inhparent = b.relid), "
				"above AS (SELECT $1 AS relid UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN above a ON i.inhrelid = a.relid) "
				"SELECT relid::bigint FROM below UNION SELECT relid::bigint FROM above",
				&p);
	for (uint64 i = 0; i < n; i++)
		relids = lappend_oid(relids, (Oid) sql_result_int64(i, 1));
	foreach(lc, relids)
	{
		AttrNumber attnum = OidIsValid(lfirst_oid(lc)) ? get_attnum(lfirst_oid(lc), column) : 0;

		if (attnum > 0)
			add_step(impact, lfirst_oid(lc), attnum, InvalidOid, 1, false, NULL);
	}
}

/* The view's columns that are made of the target, or all of them, become targets. */
static const char *
follow_view(Impact *impact, const Step *step, const ImpactCandidate *c, const ImpactReads *r)
{
	StringInfoData names;
	int attnum = -1;

	if (r->rows)
	{
		add_step(impact, c->next_object, 0, InvalidOid, step->depth + 1, step->may, c->object);
		return r->outputs == NULL ? "which rows it has depends on it"
								  : "its values and which rows it has depend on it";
	}
	initStringInfo(&names);
	while ((attnum = bms_next_member(r->outputs, attnum)) >= 0)
	{
		char *column = get_attname(c->next_object, attnum, true);

		if (column == NULL)
			continue;
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", quote_identifier(column));
		add_step(impact, c->next_object, attnum, InvalidOid, step->depth + 1, step->may,
				 psprintf("%s.%s", c->object, quote_identifier(column)));
	}
	return names.len == 0
			   ? "names it"
			   : psprintf("its column%s %s", strchr(names.data, ',') ? "s" : "", names.data);
}

static bool
was_reported(const Impact *impact, const ImpactCandidate *c)
{
	ListCell *lc;

	foreach(lc, impact->seen)
	{
		const ImpactCandidate *known = lfirst(lc);

		if (known->classid == c->classid && known->objid == c->objid &&
			known->objsubid == c->objsubid)
			return true;
	}
	return false;
}

/* Looks at a candidate; reports it, and goes on with it, if it reads the target. */
static void
consider(Impact *impact, const Step *step, ImpactCandidate *c)
{
	ImpactReads r = {0};
	StringInfoData detail;
	bool may = step->may;
	const char *what = c->detail;

	CHECK_FOR_INTERRUPTS();
	if (c->next == 's' && impact_read_body(&r, &step->target, c->objid, impact->path))
	{
		if (!r.reads && !r.writes)
			return;
		what = NULL;
	}
	else if (c->next == 's' || c->next == 'w')
	{
		if (!c->sure)
			return;
		may = true;
	}
	else
	{
		if (c->tree != NULL)
			impact_read_tree(&r, &step->target, c->relid, stringToNode(c->tree));
		if (c->other_tree != NULL)
			impact_read_tree(&r, &step->target, c->relid, stringToNode(c->other_tree));
		if (!c->sure && !r.reads && !r.writes)
			return;
	}

	/* also where it was reported: another of its columns may be made of this one */
	if (c->next == 'v')
		what = follow_view(impact, step, c, &r);
	else if (c->next == 'c')
		add_step(impact, c->next_object, c->next_column, InvalidOid, step->depth + 1, may,
				 c->object);
	else if (c->next != '\0')
		add_step(impact, InvalidOid, 0, c->next_object, step->depth + 1, may, c->object);
	if (was_reported(impact, c))
		return;
	impact->seen = lappend(impact->seen, c);

	initStringInfo(&detail);
	if (may)
		appendStringInfoString(&detail, "may read it");
	if (what != NULL)
		appendStringInfo(&detail, "%s%s", detail.len > 0 ? ": " : "", what);
	if (r.whole)
		appendStringInfo(&detail, "%swhole rows", detail.len > 0 ? "; " : "");
	if (r.writes)
		appendStringInfo(&detail, "%swrites it", detail.len > 0 ? "; " : "");
	if (detail.len == 0)
		appendStringInfoString(&detail, "reads it");
	if (step->name != NULL)
		appendStringInfo(&detail, "; through %s", step->name);
	report(impact, c->kind, c->object, step->depth, detail.data);
}

/* The row filters of the map that read a column of the table. */
typedef struct Filters
{
	Impact *impact;
	const ImpactTarget *target;
} Filters;

static void
read_filters(void *arg)
{
	Filters *f = arg;
	Relation rel = relation_open(f->target->relid, AccessShareLock);
	RelationMap *map = map_get(rel);

	/* a partition has those of the table that is on the map, which is looked at, too */
	for (int i = 0; map->mapped && map->home == map->relid && i < map->ncols; i++)
		for (int k = 0; k < map->cols[i].nrules; k++)
		{
			ImpactReads r = {0};

			impact_read_tree(&r, f->target, f->target->relid, (Node *) map->cols[i].rules[k].expr);
			if (r.reads)
				report(f->impact, "row filter",
					   psprintf("%s.%s", names_relation_label(map->schema, map->table),
								quote_identifier(map->cols[i].name)),
					   1,
					   psprintf("\"%s\" owns it where %s",
								map->cols[i].rules[k].owner ? map->cols[i].rules[k].owner
															: "no system",
								map->cols[i].rules[k].text));
		}
	relation_close(rel, AccessShareLock);
}

static void
report_filters(Impact *impact)
{
	ListCell *lc;
	List *steps = list_copy(impact->steps);

	foreach(lc, steps)
	{
		const Step *step = lfirst(lc);
		Filters f = {impact, &step->target};
		Relation rel;
		char kind;
		ErrorData *error;
		char *name;

		if (step->name != NULL || step->depth != 1)
			continue;
		rel = relation_open(step->target.relid, AccessShareLock);
		kind = rel->rd_rel->relkind;
		name = names_message_relation_oid(step->target.relid);
		relation_close(rel, AccessShareLock);
		if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE &&
			kind != RELKIND_FOREIGN_TABLE)
			continue;
		error = subxact_try(read_filters, &f);
		if (error != NULL)
			report(impact, "row filter", name, 1,
				   psprintf("may read it: a row filter fails: %s", error->message));
	}
}

/* The systems that read the field, as declared or seen.  Of a column, its table's activity. */
static void
report_systems(Impact *impact, const char *entity, const char *field)
{
	Parameters p = {0};
	uint64 n;

	if (field == NULL)
		return;
	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	n = sql_run("SELECT coalesce(s.system, 'unidentified'), concat_ws('; ', CASE WHEN d.system IS NOT NULL THEN 'declared reader' END, "
				"CASE WHEN s.reads > 0 THEN format('was seen reading it %s, last on %s', CASE s.reads WHEN 1 THEN 'once' ELSE s.reads || ' times' END, to_char(s.last_read, 'YYYY-MM-DD')) "
				"ELSE 'was not seen reading it' END) "
				"FROM (SELECT coalesce(d.system, s.system) AS system, s.reads, s.last_read "
				"FROM (SELECT system FROM ownership.declared WHERE (entity, field, mode) = ($1, $2, 'read')) d "
				"FULL JOIN (SELECT * FROM ownership.seen WHERE (entity, field) = ($1, $2) AND reads > 0) s ON s.system = d.system) s "
				"LEFT JOIN (SELECT system FROM ownership.declared WHERE (entity, field, mode) = ($1, $2, 'read')) d ON d.system = s.system "
				"ORDER BY s.system COLLATE \"C\"",
				&p);
	for (uint64 i = 0; i < n; i++)
		report(impact, "system", sql_result_text(i, 1), 1, sql_result_text(i, 2));
}

/*
 * Begins with the columns that the text names: those of a field, or one column.  Sets
 * *entity and *field; to NULL where the column is not on the map.
 *
 * Errors: there is no such field, and no such column.
 */
static void
begin(Impact *impact, const char *text, char **entity, char **field)
{
	char *schema;
	char *table;
	char *column;
	Parameters p = {0};
	List *places = NIL;
	ListCell *lc;
	uint64 n;

	names_split_field(text, entity, field);
	if (lookup_field_exists(*entity, *field))
	{
		sql_add_text(&p, *entity);
		sql_add_text(&p, *field);
		n = sql_run("SELECT table_schema, table_name, column_name FROM ownership.mirrored_column "
					"WHERE (entity, field) = ($1, $2) ORDER BY 1, 2, 3",
					&p);
		for (uint64 i = 0; i < n; i++)
			places = lappend(places, list_make3(sql_result_text(i, 1), sql_result_text(i, 2),
												sql_result_text(i, 3)));
		foreach(lc, places)
			add_column(impact, linitial(lfirst(lc)), lsecond(lfirst(lc)), lthird(lfirst(lc)));
		return;
	}
	if (strrchr(text, '.') != NULL)
	{
		names_split_column(text, &schema, &table, &column);
		if (schema != NULL && table != NULL && column != NULL &&
			OidIsValid(place_find(schema, table)) &&
			get_attnum(place_find(schema, table), column) > 0)
		{
			require_relation(place_find(schema, table));
			add_column(impact, schema, table, column);
			sql_add_text(&p, schema);
			sql_add_text(&p, table);
			sql_add_text(&p, column);
			*entity = *field = NULL;
			if (sql_run("SELECT entity, field FROM ownership.mirrored_column "
						"WHERE (table_schema, table_name, column_name) = ($1, $2, $3)",
						&p) > 0)
			{
				*entity = sql_result_text(0, 1);
				*field = sql_result_text(0, 2);
			}
			return;
		}
	}
	require_undefined(psprintf("\"%s\" is neither a field nor a column of a table", text),
					  require_near_field(*entity, *field), "field",
					  "ownership.map lists the columns with their fields.");
}

/*
 * impact(field): what reads the field, or the column, by definition, and the systems that
 * read it.
 *
 * Errors: there is no such field, and no such column.
 */
Datum
ownership_impact(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	Impact impact = {0};
	char *entity;
	char *field;
	int level;

	InitMaterializedSRF(fcinfo, 0);
	impact.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	impact.path = pstrdup(namespace_search_path);
	SPI_connect();
	level = sql_pin_search_path();
	begin(&impact, text_to_cstring(PG_GETARG_TEXT_PP(0)), &entity, &field);
	report_systems(&impact, entity, field);
	report_filters(&impact);
	for (int i = 0; i < list_length(impact.steps); i++)
	{
		const Step *step = list_nth(impact.steps, i);
		ListCell *lc;

		foreach(lc, impact_candidates(&step->target))
			consider(&impact, step, lfirst(lc));
	}
	sql_unpin_search_path(level);
	SPI_finish();
	reads_count_again(looking);
	return (Datum) 0;
}
