/*
 * filter.c
 *		Row filters: boolean expressions over one row.
 *
 * A filter is kept as its author's text and is parsed where it is needed,
 * always with search_path pinned to pg_catalog: nobody's search_path can put
 * another operator or function in the place of the one that was meant.  What
 * lies in another schema is named with it.
 */
#include "ownership.h"

#include "access/sysattr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/guc.h"

static void
syntax_error(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("row filter \"%s\" is not a single expression", text),
			 errhint(
				 "A row filter is a condition on the columns of the row, such as: status IN ('cart', 'checkout').")));
}

/* The expression that the text consists of, and nothing beside it. */
static Node *
raw_expression(const char *text)
{
	List *parsed = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select;
	ResTarget *target;

	if (list_length(parsed) != 1)
		syntax_error(text);
	select = (SelectStmt *) linitial_node(RawStmt, parsed)->stmt;
	if (!IsA(select, SelectStmt) || list_length(select->targetList) != 1 || select->distinctClause ||
		select->fromClause || select->whereClause || select->groupClause || select->havingClause ||
		select->windowClause || select->sortClause || select->limitOffset || select->limitCount ||
		select->lockingClause || select->withClause || select->op != SETOP_NONE)
		syntax_error(text);
	target = linitial_node(ResTarget, select->targetList);
	if (target->name != NULL || target->indirection != NIL ||
		(IsA(target->val, ColumnRef) && IsA(llast(((ColumnRef *) target->val)->fields), A_Star)))
		syntax_error(text);
	return target->val;
}

static void
check_columns(Relation rel, Node *expr)
{
	TupleDesc desc = RelationGetDescr(rel);
	Bitmapset *attnums = NULL;
	int i = -1;

	pull_varattnos(expr, 1, &attnums);
	while ((i = bms_next_member(attnums, i)) >= 0)
	{
		AttrNumber attnum = i + FirstLowInvalidHeapAttributeNumber;

		if (attnum < 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
							errmsg("a row filter cannot use a system column")));
		/* the row as a whole has them, too */
		for (int c = 0; c < desc->natts; c++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, c);

			if (att->attgenerated != '\0' && !att->attisdropped &&
				(attnum == 0 || attnum == att->attnum))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
						 errmsg("a row filter cannot use generated column \"%s\"",
								NameStr(att->attname)),
						 errdetail(
							 "Generated columns are computed after the guard has looked at the row.")));
		}
	}
}

/* An error is in the filter, not in the statement that is running. */
static void
parse_error_context(void *arg)
{
	int position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
	errcontext("row filter \"%s\" of the ownership map", (const char *) arg);
}

/*
 * Parse and plan a filter over rel's columns; rel is varno 1 of the result.
 *
 * Errors: anything that is not a boolean expression over the row, without
 * subqueries, aggregates, volatile functions, system and generated columns;
 * what its constant parts raise.
 */
Expr *
filter_parse(Relation rel, const char *text)
{
	ErrorContextCallback context;
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *nsitem;
	Node *expr;
	int nestlevel = NewGUCNestLevel();

	context.callback = parse_error_context;
	context.arg = unconstify(char *, text);
	context.previous = error_context_stack;
	error_context_stack = &context;
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);

	pstate->p_sourcetext = text;
	nsitem = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, nsitem, false, true, true);
	expr = transformExpr(pstate, raw_expression(text), EXPR_KIND_CHECK_CONSTRAINT);
	expr = coerce_to_boolean(pstate, expr, "row filter");
	assign_expr_collations(pstate, expr);
	check_columns(rel, expr);
	expr = (Node *) expression_planner((Expr *) expr);
	if (contain_volatile_functions(expr))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a row filter cannot use volatile functions"),
				 errdetail("Who owns a row must not change from one look at it to the next.")));
	free_parsestate(pstate);
	AtEOXact_GUC(false, nestlevel);
	error_context_stack = context.previous;
	return (Expr *) expr;
}
