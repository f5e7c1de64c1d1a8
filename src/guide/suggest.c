/*
 * suggest.c
 *		suggest() and adopt(): the guide proposes the domain of a column and the
 *		system that should own it.
 *
 * Evidence comes from names, comments, keys and traffic.  The reason also says who
 * wrote the table's rows.  A proposal is sure
 * only where two pieces of evidence agree and none speaks against it; where
 * only a guess would be possible, the domain is unknown.  Proposals do not
 * depend on earlier decisions about a field, which are on the map, with one
 * exception: a column that marks rows as deleted gets the system that owns the
 * table's key on the map.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "../discover/discover.h"
#include "../edit/edit.h"
#include "guide.h"

PG_FUNCTION_INFO_V1(ownership_suggest);
PG_FUNCTION_INFO_V1(ownership_suggest_by_names);
PG_FUNCTION_INFO_V1(ownership_adopt);

/* Looks at who wrote the rows of the columns' tables, by a sample of each. */
static void
sample_tables(List *columns)
{
	DiscoverRun *run = discover_begin();
	ListCell *lc;

	foreach(lc, columns)
	{
		Suggestion *s = lfirst(lc);

		if (s->table_name->sampled)
			continue;
		s->table_name->written_by = discover_share(run, s->relid);
		s->table_name->sampled = true;
	}
}

/*
 * The proposals for all columns of the tables that match, as Suggestion *; with
 * `sample` their reasons say who wrote the tables' rows.
 *
 * Errors: no table matches.
 */
static List *
suggestions(const char *pattern, bool sample)
{
	Words *words = words_create();
	HASHCTL ctl = {.keysize = MAX_SPELLED,
				   .entrysize = sizeof(ColumnName),
				   .hcxt = CurrentMemoryContext};
	HTAB *names = hash_create("ownership names of columns", 1024, &ctl,
							  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	List *domains;
	List *systems;
	List *columns;
	ListCell *lc;

	/* learn all words before names are split into them */
	words_learn(words, sign_foreign_product);
	domains = gather_read_domains(words);
	systems = gather_read_systems(words);
	columns = gather_read_columns(pattern, words, names);
	sign_gather_expected(domains, sign_gather_tables(columns, words));
	sign_gather_names(domains, names);
	sign_gather_columns(domains, columns);
	sign_find_raw(columns);
	if (sample)
		sample_tables(columns);
	foreach(lc, columns)
		judge_suggestion(lfirst(lc), domains, systems);
	return columns;
}

static char *
argument_pattern(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the pattern must not be null")));
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/* Puts the proposals out: (relation, column_name, domain, kind, system, sure, reason). */
static void
suggest(FunctionCallInfo fcinfo, bool sample)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *pattern = argument_pattern(fcinfo);
	ListCell *lc;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	foreach(lc, suggestions(pattern, sample))
	{
		Suggestion *s = lfirst(lc);
		Datum values[7];
		bool nulls[7] = {false};

		values[0] = CStringGetTextDatum(names_relation_label(s->schema, s->table));
		values[1] = CStringGetTextDatum(s->column);
		call_put_text(values, nulls, 2, s->domain == NULL ? NULL : s->domain->name);
		call_put_text(values, nulls, 3, s->kind);
		call_put_text(values, nulls, 4, s->system);
		values[5] = BoolGetDatum(s->sure);
		values[6] = CStringGetTextDatum(s->reason.data);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
}

/*
 * suggest(pattern): the proposals.
 *
 * Errors: the pattern is NULL; no table matches.
 */
Datum
ownership_suggest(PG_FUNCTION_ARGS)
{
	suggest(fcinfo, true);
	return (Datum) 0;
}

/* suggest_by_names(pattern): the same without a look at the rows.  Errors: as suggest(). */
Datum
ownership_suggest_by_names(PG_FUNCTION_ARGS)
{
	suggest(fcinfo, false);
	return (Datum) 0;
}

static void
put_outcome(ReturnSetInfo *rsinfo, Suggestion *s, const char *field, const char *domain,
			const char *owner, const char *outcome, const char *reason)
{
	const char *texts[] = {names_relation_label(s->schema, s->table),
						   s->column,
						   field,
						   domain,
						   owner,
						   outcome,
						   reason};

	call_put_row(rsinfo, lengthof(texts), texts);
}

/*
 * adopt(pattern): puts the columns on the map, with domain and owner where
 * the guide is sure.  A field that has an owner gets the domain only.  Earlier
 * decisions stay.  Returns a row for each column:
 * (relation, column_name, field, domain, owner, outcome, reason).
 *
 * Errors: the pattern is NULL; no table matches; the caller does not own a
 * matching table.
 */
Datum
ownership_adopt(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *pattern = argument_pattern(fcinfo);
	List *listed = NIL;
	List *fresh = NIL;
	List *relids = NIL;
	List *parts[5] = {NIL, NIL, NIL, NIL, NIL};
	Parameters p = {0};
	ListCell *lc;
	uint64 n;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	foreach(lc, suggestions(pattern, true))
	{
		Suggestion *s = lfirst(lc);

		if (s->entity == NULL && !names_can_be_field(s->column))
		{
			put_outcome(rsinfo, s, NULL, NULL, NULL, "left out",
						"its name contains a dot, or blanks around it");
			continue;
		}
		listed = lappend(listed, s);
		if (relids == NIL || llast_oid(relids) != s->relid)
			relids = lappend_oid(relids, s->relid);
		if (s->entity == NULL)
		{
			ColumnSpec *spec = palloc0(sizeof(ColumnSpec));

			spec->schema = s->schema;
			spec->table = s->table;
			spec->column = s->column;
			spec->key = s->primary;
			spec->entity = s->entity = names_default_entity(s->schema, s->table);
			spec->field = s->field = s->column;
			fresh = lappend(fresh, spec);
		}
		parts[0] = lappend(parts[0], s->entity);
		parts[1] = lappend(parts[1], s->field);
		/* "" is no domain, no system; where the owner is not sure, the domain may be */
		parts[2] = lappend(parts[2], s->domain_sure ? s->domain->name : "");
		parts[3] =
			lappend(parts[3], unconstify(char *, s->sure && s->system != NULL ? s->system : ""));
		parts[4] = lappend(parts[4], s->sure && strcmp(s->domain->name, TECHNICAL) == 0 ? "t" : "f");
	}
	field_map_columns(fresh);

	for (int i = 0; i < 5; i++)
		sql_add_texts(&p, parts[i]);
	/*
	 * A field gets a domain or an owner only if the proposals for its copies agree.
	 * One that is decided, or has another domain, stays.
	 */
	n = sql_run("WITH proposal AS (SELECT entity, name, min(domain) AS domain, "
				"CASE WHEN min(system) = max(system) THEN nullif(min(system), '') END AS system, bool_and(local::boolean) AS local "
				"FROM unnest($1, $2, $3, $4, $5) g(entity, name, domain, system, local) "
				"GROUP BY 1, 2 HAVING min(domain) = max(domain) AND min(domain) <> ''), "
				"adopted AS (UPDATE ownership.field f SET domain = g.domain, owner = coalesce(f.owner, g.system), "
				"local = g.local AND f.owner IS NULL "
				"FROM proposal g WHERE (f.entity, f.name) = (g.entity, g.name) "
				"AND NOT f.local AND (f.domain IS NULL OR (f.owner IS NULL AND f.domain = g.domain)) "
				"RETURNING f.entity, f.name, f.domain, f.owner, f.local), "
				"by_default AS (SELECT entity, field FROM ownership.part WHERE part = 'owner' AND how = 'by default') "
				"SELECT g.entity || '.' || g.name, coalesce(a.domain, f.domain), coalesce(a.owner, f.owner), "
				"CASE WHEN f.owner IS NOT NULL AND a.domain IS NOT NULL THEN 'domain added' "
				"WHEN a.owner IS NOT NULL THEN 'adopted' WHEN a.local THEN 'local' "
				"WHEN d.field IS NOT NULL AND NOT f.local THEN 'by default' "
				"WHEN f.owner IS NOT NULL OR f.local THEN 'decided before' ELSE 'no owner' END "
				"FROM unnest($1, $2) WITH ORDINALITY g(entity, name, i) "
				"JOIN ownership.field_now f ON (f.entity, f.name) = (g.entity, g.name) "
				"LEFT JOIN adopted a ON (a.entity, a.name) = (g.entity, g.name) "
				"LEFT JOIN by_default d ON (d.entity, d.field) = (g.entity, g.name) ORDER BY g.i",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Suggestion *s = list_nth(listed, i);

		put_outcome(rsinfo, s, sql_result_text(i, 1), sql_result_text(i, 2), sql_result_text(i, 3),
					sql_result_text(i, 4), s->reason.data);
	}
	guard_relations(relids);
	SPI_finish();
	return (Datum) 0;
}
