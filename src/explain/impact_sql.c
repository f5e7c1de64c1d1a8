/*
 * impact_sql.c
 *		What may read a column, a relation or a function, by PostgreSQL's catalogs.
 *
 * Each query returns candidates: objects that name the column in a list of columns
 * (`sure`), or that have trees, or a body, which are to be looked at.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "../base/base.h"
#include "explain.h"

#define ON_TABLE(name, relation)                                                              \
	"format('%I on %s', " name                                                                \
	", ownership.relation_name((SELECT n.nspname FROM pg_namespace n WHERE n.oid = " relation \
	".relnamespace)::text, " relation ".relname::text))"
#define RELATION(relation)                                                                  \
	"ownership.relation_name((SELECT n.nspname FROM pg_namespace n WHERE n.oid = " relation \
	".relnamespace)::text, " relation ".relname::text)"
#define FUNCTION_KIND "CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END"
#define FUNCTION_NAME                                                                                                                           \
	"(SELECT CASE n.nspname WHEN 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END FROM pg_namespace n WHERE n.oid = p.pronamespace) || " \
	"format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid))"
/* a name as a word of a body; what surrounds it is no part of another name */
#define WORD(name) \
	"'(?<![\\w$])' || regexp_replace(" name ", '(\\W)', '\\\\\\1', 'g') || '(?![\\w$])'"
#define OF_USERS                                                                                             \
	"p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND NOT EXISTS " \
	"(SELECT FROM pg_depend e WHERE (e.classid, e.objid, e.deptype) = ('pg_proc'::regclass, p.oid, 'e'))"

/* $1: a relation, $2: a column of it, 0: any */
static const char on_relation[] =
	/* views and rules: pg_depend has no row for a whole row, so all that read the table are looked at */
	"SELECT 'pg_rewrite'::regclass::oid::bigint, r.oid::bigint, 0, "
	"CASE v.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'rule' END, "
	"CASE WHEN v.relkind IN ('v', 'm') AND r.ev_type = '1' THEN " RELATION("v") " ELSE " ON_TABLE(
		"r.rulename",
		"v") " END, "
			 "v.oid::bigint, false, NULL, r.ev_action::text, CASE WHEN r.ev_qual::text <> '<>' THEN r.ev_qual::text END, "
			 "CASE WHEN r.ev_type = '1' THEN 'v' END, v.oid::bigint, 0 "
			 "FROM (SELECT DISTINCT d.objid FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 "
			 "AND d.classid = 'pg_rewrite'::regclass) d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class "
			 "WHERE NOT (v.oid = $1 AND r.ev_type = '1') "
			 "UNION ALL SELECT 'pg_class'::regclass::oid, t.oid, a.attnum, 'generated column', " RELATION(
				 "t") " || '.' || quote_ident(a.attname), "
					  "t.oid, false, NULL, d.adbin::text, NULL, 'c', t.oid, a.attnum "
					  "FROM pg_attribute a JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum) JOIN pg_class t ON t.oid = a.attrelid "
					  "WHERE a.attrelid = $1 AND a.attgenerated <> '' AND a.attnum <> $2 AND $2 <> 0 "
					  "UNION ALL SELECT 'pg_constraint'::regclass::oid, c.oid, 0, 'constraint', " ON_TABLE(
						  "c.conname",
						  "t") ", t.oid, "
							   "c.contype <> 'c' AND coalesce($2::int2 = ANY (c.conkey), false), "
							   "CASE c.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclusion' ELSE 'CHECK' END, "
							   "c.conbin::text, CASE WHEN c.contype = 'x' THEN (SELECT i.indexprs::text FROM pg_index i WHERE i.indexrelid = c.conindid) END, NULL, 0, 0 "
							   "FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid "
							   "WHERE c.conrelid = $1 AND $2 <> 0 AND c.contype IN ('p', 'u', 'f', 'x', 'c') "
							   "UNION ALL SELECT 'pg_constraint'::regclass::oid, c.oid, 0, 'constraint', " ON_TABLE(
								   "c.conname",
								   "t") ", t.oid, true, "
										"'foreign key that refers to it', NULL, NULL, NULL, 0, 0 "
										"FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid "
										"WHERE c.confrelid = $1 AND c.contype = 'f' AND $2::int2 = ANY (c.confkey) AND c.conparentid = 0 "
										"UNION ALL SELECT 'pg_class'::regclass::oid, x.oid, 0, 'index', " RELATION(
											"x") ", t.oid, $2::int2 = ANY (i.indkey), "
												 "CASE WHEN $2::int2 = ANY (i.indkey) THEN 'of the column' WHEN i.indpred IS NOT NULL AND i.indexprs IS NULL THEN 'partial: its condition' ELSE 'of an expression' END, "
												 "i.indexprs::text, i.indpred::text, NULL, 0, 0 "
												 "FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid "
												 "WHERE i.indrelid = $1 AND $2 <> 0 AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = $1) "
												 "UNION ALL SELECT 'pg_statistic_ext'::regclass::oid, s.oid, 0, 'statistics', " ON_TABLE(
													 "s.stxname",
													 "t") ", t.oid, $2::int2 = ANY (s.stxkeys), "
														  "'planner statistics', s.stxexprs::text, NULL, NULL, 0, 0 "
														  "FROM pg_statistic_ext s JOIN pg_class t ON t.oid = s.stxrelid WHERE s.stxrelid = $1 AND $2 <> 0 "
														  "UNION ALL SELECT 'pg_policy'::regclass::oid, l.oid, 0, 'policy', " ON_TABLE(
															  "l.polname",
															  "t") ", t.oid, false, "
																   "'row security', l.polqual::text, l.polwithcheck::text, NULL, 0, 0 "
																   "FROM pg_policy l JOIN pg_class t ON t.oid = l.polrelid "
																   "WHERE l.polrelid = $1 OR l.oid IN (SELECT d.objid FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass "
																   "AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1) "
																   "UNION ALL SELECT 'pg_trigger'::regclass::oid, g.oid, 0, 'trigger', " ON_TABLE(
																	   "g.tgname",
																	   "t") ", t.oid, $2::int2 = ANY (g.tgattr), "
																			"CASE WHEN $2::int2 = ANY (g.tgattr) THEN 'fires on UPDATE OF it' ELSE 'its WHEN' END, g.tgqual::text, NULL, NULL, 0, 0 "
																			"FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid WHERE g.tgrelid = $1 AND NOT g.tgisinternal AND $2 <> 0 AND g.tgparentid = 0 "
																			"UNION ALL SELECT 'pg_publication_rel'::regclass::oid, r.oid, 0, 'publication', quote_ident(b.pubname), t.oid, "
																			"coalesce($2::int2 = ANY (r.prattrs::int2[]), true), "
																			"CASE WHEN $2::int2 = ANY (r.prattrs::int2[]) THEN 'publishes it, by its column list' WHEN r.prattrs IS NULL THEN 'publishes it, with the whole table' ELSE 'its row filter' END, "
																			"r.prqual::text, NULL, NULL, 0, 0 "
																			"FROM pg_publication_rel r JOIN pg_publication b ON b.oid = r.prpubid JOIN pg_class t ON t.oid = r.prrelid WHERE r.prrelid = $1 AND $2 <> 0 "
																			"UNION ALL SELECT 'pg_publication'::regclass::oid, b.oid, 0, 'publication', quote_ident(b.pubname), t.oid, true, "
																			"CASE WHEN b.puballtables THEN 'publishes it, with all tables' ELSE 'publishes it, with its schema' END, NULL, NULL, NULL, 0, 0 "
																			"FROM pg_class t CROSS JOIN pg_publication b WHERE t.oid = $1 AND t.relkind IN ('r', 'p') AND t.relpersistence = 'p' AND $2 <> 0 "
																			"AND (b.puballtables OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = b.oid AND s.pnnspid = t.relnamespace)) "
																			"UNION ALL SELECT 'pg_partitioned_table'::regclass::oid, t.oid, 0, 'partition key', " RELATION(
																				"t") ", t.oid, $2::int2 = ANY (k.partattrs), "
																					 "'decides which partition a row is in', k.partexprs::text, NULL, NULL, 0, 0 "
																					 "FROM pg_partitioned_table k JOIN pg_class t ON t.oid = k.partrelid WHERE k.partrelid = $1 AND $2 <> 0 "
																					 "UNION ALL SELECT 'pg_foreign_table'::regclass::oid, t.oid, 0, 'foreign table', " RELATION(
																						 "t") ", t.oid, true, "
																							  "format('column %s of server %s', coalesce((SELECT o.option_value FROM pg_options_to_table(a.attfdwoptions) o WHERE o.option_name = 'column_name'), a.attname), s.srvname), NULL, NULL, NULL, 0, 0 "
																							  "FROM pg_foreign_table f JOIN pg_class t ON t.oid = f.ftrelid JOIN pg_foreign_server s ON s.oid = f.ftserver "
																							  "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = $2 WHERE f.ftrelid = $1 "
																							  /* functions with a parsed body, and those that take or return rows of the table */
																							  "UNION ALL SELECT 'pg_proc'::regclass::oid, p.oid, 0, " FUNCTION_KIND
																							  ", " FUNCTION_NAME
																							  ", 0, false, NULL, "
																							  "p.prosqlbody::text, NULL, 'f', p.oid, 0 "
																							  "FROM pg_proc p WHERE p.prosqlbody IS NOT NULL AND p.oid IN (SELECT d.objid FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass "
																							  "AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1) "
																							  "UNION ALL SELECT 'pg_proc'::regclass::oid, p.oid, 0, " FUNCTION_KIND
																							  ", " FUNCTION_NAME
																							  ", 0, true, "
																							  "'takes or returns whole rows of it', NULL, NULL, 'f', p.oid, 0 "
																							  "FROM pg_proc p WHERE p.oid IN (SELECT d.objid FROM pg_depend d JOIN pg_class t ON t.oid = $1 "
																							  "JOIN pg_type y ON y.oid = t.reltype WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_type'::regclass "
																							  "AND d.refobjid IN (y.oid, y.typarray)) AND " OF_USERS;

/* $1, $2: as above.  Functions whose body is a string: SQL, to be analyzed, and others, of which only words are known. */
static const char bodies[] =
	"WITH target AS (SELECT t.oid, t.relname, a.attname FROM pg_class t LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = $2 AND $2 <> 0 "
	"WHERE t.oid = $1), words AS (SELECT p.*, l.lanname, t.attname, p.prosrc ~* (" WORD(
		"t.relname") ") AS table_named, "
					 "coalesce(p.prosrc ~* (" WORD(
						 "t.attname") "), true) AS column_named, "
									  "p.prosrc ~* '(select|,|\\.)\\s*\\*|%rowtype' AS rows_named, "
									  "p.prorettype = 'trigger'::regtype AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgfoid = p.oid AND g.tgrelid = t.oid) AS of_trigger, "
									  "regexp_replace(p.prosrc, '(?<!\\w)return\\s+(new|old)\\s*;', '', 'gi') ~* '(?<!\\w)(new|old)(?!\\s*\\.|\\w)' AS record_named "
									  "FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang CROSS JOIN target t "
									  "WHERE p.prosqlbody IS NULL AND l.lanname NOT IN ('internal', 'c') AND p.prokind <> 'a' AND " OF_USERS
									  ") "
									  "SELECT 'pg_proc'::regclass::oid::bigint, p.oid::bigint, 0, " FUNCTION_KIND
									  ", " FUNCTION_NAME ", 0, "
									  "p.column_named OR p.rows_named OR (p.of_trigger AND p.record_named), "
									  "CASE WHEN p.attname IS NULL THEN 'its body names it' WHEN p.column_named THEN 'its body names table and column' ELSE 'its body reads whole rows' END, "
									  "NULL, NULL, CASE p.lanname WHEN 'sql' THEN 's' ELSE 'w' END, p.oid::bigint, 0 "
									  "FROM words p WHERE (p.table_named AND (p.lanname = 'sql' OR p.column_named OR p.rows_named)) "
									  "OR (p.of_trigger AND ((p.attname IS NOT NULL AND p.column_named) OR p.record_named))";

/* $1: a function, $2: not used.  What calls it is recorded, but for bodies that are strings. */
static const char on_function[] =
	"SELECT 'pg_rewrite'::regclass::oid::bigint, r.oid::bigint, 0, "
	"CASE v.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'rule' END, "
	"CASE WHEN v.relkind IN ('v', 'm') AND r.ev_type = '1' THEN " RELATION("v") " ELSE " ON_TABLE(
		"r.rulename",
		"v") " END, "
			 "v.oid::bigint, false, NULL, r.ev_action::text, CASE WHEN r.ev_qual::text <> '<>' THEN r.ev_qual::text END, "
			 "CASE WHEN r.ev_type = '1' THEN 'v' END, v.oid::bigint, 0 "
			 "FROM (SELECT DISTINCT d.objid FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = $1 "
			 "AND d.classid = 'pg_rewrite'::regclass) d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class "
			 "UNION ALL SELECT 'pg_class'::regclass::oid, t.oid, a.attnum, CASE a.attgenerated WHEN '' THEN 'default' ELSE 'generated column' END, " RELATION(
				 "t") " || '.' || quote_ident(a.attname), t.oid, false, NULL, f.adbin::text, NULL, 'c', t.oid, a.attnum "
					  "FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid JOIN pg_class t ON t.oid = f.adrelid "
					  "JOIN pg_attribute a ON (a.attrelid, a.attnum) = (f.adrelid, f.adnum) "
					  "WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = $1 "
					  "UNION ALL SELECT 'pg_proc'::regclass::oid, p.oid, 0, " FUNCTION_KIND
					  ", " FUNCTION_NAME ", 0, false, NULL, p.prosqlbody::text, NULL, 'f', p.oid, 0 "
					  "FROM pg_proc p WHERE p.prosqlbody IS NOT NULL AND p.oid IN (SELECT d.objid FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass "
					  "AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = $1) "
					  "UNION ALL SELECT DISTINCT d.classid, d.objid, 0, CASE WHEN d.classid = 'pg_class'::regclass THEN 'index' ELSE substr(d.classid::regclass::text, 4) END, "
					  "regexp_replace(coalesce(i.identity, '?'), '(^| on )public\\.', '\\1'), 0, true, 'calls it', NULL, NULL, NULL, 0::oid, 0 "
					  "FROM pg_depend d CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i "
					  "WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = $1 AND d.deptype IN ('n', 'a') "
					  "AND d.classid IN ('pg_constraint'::regclass, 'pg_class'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass) "
					  "UNION ALL SELECT 'pg_proc'::regclass::oid, p.oid, 0, " FUNCTION_KIND
					  ", " FUNCTION_NAME
					  ", 0, true, 'its body names it', NULL, NULL, CASE l.lanname WHEN 'sql' THEN 's' ELSE 'w' END, p.oid, 0 "
					  "FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_proc t ON t.oid = $1 "
					  "WHERE p.prosqlbody IS NULL AND l.lanname NOT IN ('internal', 'c') "
					  "AND p.oid <> $1 AND $2 = 0 AND p.prosrc ~* (" WORD(
						  "t.proname") " || '\"?\\s*\\(') AND " OF_USERS;

/* sql: a literal */
static List *
candidates(const char *sql, Oid object, AttrNumber attnum)
{
	Parameters p = {0};
	List *list = NIL;
	uint64 n;

	sql_add_oid(&p, object);
	sql_add_value(&p, INT4OID, Int32GetDatum(attnum), false);
	n = sql_run_kept(sql, &p, 0);
	for (uint64 i = 0; i < n; i++)
	{
		ImpactCandidate *c = palloc0(sizeof(ImpactCandidate));
		const char *next = sql_result_text(i, 11);

		c->classid = (Oid) sql_result_int64(i, 1);
		c->objid = (Oid) sql_result_int64(i, 2);
		c->objsubid = atoi(sql_result_text(i, 3));
		c->kind = sql_result_text(i, 4);
		c->object = sql_result_text(i, 5);
		c->relid = (Oid) sql_result_int64(i, 6);
		c->sure = sql_result_bool(i, 7);
		c->detail = sql_result_text(i, 8);
		c->tree = sql_result_text(i, 9);
		c->other_tree = sql_result_text(i, 10);
		c->next = next == NULL ? '\0' : next[0];
		c->next_object = (Oid) sql_result_int64(i, 12);
		c->next_column = atoi(sql_result_text(i, 13));
		list = lappend(list, c);
	}
	return list;
}

/* What may read the target, of ImpactCandidate.  Needs SPI, and a search path that is pinned. */
List *
impact_candidates(const ImpactTarget *target)
{
	if (OidIsValid(target->function))
		return candidates(on_function, target->function, 0);
	return list_concat(candidates(on_relation, target->relid, target->attnum),
					   candidates(bodies, target->relid, target->attnum));
}
