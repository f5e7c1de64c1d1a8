/*
 * impact_body.c
 *		What the body of an SQL function that is a string does with a column.
 *
 * The body is analyzed as PostgreSQL does before it executes it, in a subtransaction
 * that is rolled back, so that no lock stays.  Nothing is executed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "executor/functions.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "explain.h"

typedef struct Body
{
	ImpactReads *reads;
	const ImpactTarget *target;
	Oid function;
	const char *path; /* the search path of the caller */
	bool analyzed;
} Body;

/* Sets the search path to that which the function will have. */
static void
set_path(HeapTuple tuple, const char *path)
{
	bool isnull;
	Datum config = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proconfig, &isnull);
	ListCell *lc;

	foreach(lc, isnull ? NIL : sql_text_list(config))
	{
		if (strncmp(lfirst(lc), "search_path=", strlen("search_path=")) == 0)
			path = (char *) lfirst(lc) + strlen("search_path=");
	}
	(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
}

/* Always false: the subtransaction is to be rolled back. */
static bool
analyze(void *arg)
{
	Body *body = arg;
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(body->function));
	SQLFunctionParseInfoPtr info;
	ImpactReads r = {0};
	bool isnull;
	Datum source;
	ListCell *lc;
	char *sql;

	if (!HeapTupleIsValid(tuple))
		return false;
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	sql = isnull ? pstrdup("") : TextDatumGetCString(source);
	set_path(tuple, body->path);
	info = prepare_sql_fn_parse_info(tuple, NULL, InvalidOid);
	foreach(lc, pg_parse_query(sql))
		impact_read_tree(&r, body->target, InvalidOid,
						 (Node *) parse_analyze_withcb(lfirst_node(RawStmt, lc), sql,
													   (ParserSetupHook) sql_fn_parser_setup, info,
													   NULL));
	ReleaseSysCache(tuple);
	r.outputs = NULL;
	*body->reads = r;
	body->analyzed = true;
	return false;
}

/*
 * Sets *r to what the function does with the target.  False: its body cannot be
 * analyzed: it is about tables that are not there, or it has polymorphic arguments.
 */
bool
impact_read_body(ImpactReads *r, const ImpactTarget *target, Oid function, const char *path)
{
	Body body = {.reads = r, .target = target, .function = function, .path = path};
	int level = NewGUCNestLevel();

	(void) subxact_trial(analyze, &body);
	AtEOXact_GUC(true, level);
	return body.analyzed;
}
