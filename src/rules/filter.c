/*
 * filter.c
 *		Row filters: boolean expressions over one row.
 *
 * The map stores a filter as the text that its author wrote, and the extension
 * parses it when it needs it, always with search_path fixed to pg_catalog: so no
 * session's search_path replaces the operator or function that the author meant.
 * What is in another schema must be written with its schema.
 *
 * A role that may edit the map decides which code runs when another role writes,
 * calls guard() or only reads the risks.  So a filter may use only code of a
 * superuser or of the table's owner.  The constant parts of a filter are computed
 * before any write, as the table's owner, who gains no rights by that.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/partition.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

static void
syntax_error(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("row filter \"%s\" is not a single expression", text),
			 errhint(
				 "A row filter is a condition on the columns of the row, such as: status IN ('cart', 'checkout').")));
}

/*
 * The expression that the text consists of, not yet analysed.
 *
 * Errors: the text contains anything else.
 */
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

/* Errors: the expression uses a system column or a generated column. */
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
		/* attribute 0 is the whole row, which includes generated columns */
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

/* May a filter on the table use code that this role owns? */
static bool
is_trusted(Oid owner, Relation rel)
{
	return owner == rel->rd_rel->relowner || superuser_arg(owner);
}

/* Never true.  Errors: the filter may not use the function. */
static bool
check_function(Oid function, void *context)
{
	HeapTuple tuple;
	Oid owner;

	switch (function)
	{
		case F_TABLE_TO_XML:
		case F_TABLE_TO_XML_AND_XMLSCHEMA:
		case F_SCHEMA_TO_XML:
		case F_SCHEMA_TO_XML_AND_XMLSCHEMA:
		case F_DATABASE_TO_XML:
		case F_DATABASE_TO_XML_AND_XMLSCHEMA:
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("a row filter cannot read tables")));
	}
	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	if (!is_trusted(owner, (Relation) context))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a row filter cannot use function \"%s\"", get_func_name(function)),
				 errdetail("It belongs neither to the owner of the table nor to a superuser.")));
	return false;
}

/*
 * Domains, also domains inside a composite type, call functions in their checks.
 *
 * Errors: the filter may not use the type.
 */
static void
check_type(Oid type, Relation rel)
{
	char kind = type < FirstNormalObjectId ? TYPTYPE_BASE : get_typtype(type);
	HeapTuple tuple;
	Oid owner;

	if (kind != TYPTYPE_DOMAIN && kind != TYPTYPE_COMPOSITE)
		return;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	owner = ((Form_pg_type) GETSTRUCT(tuple))->typowner;
	ReleaseSysCache(tuple);
	if (!is_trusted(owner, rel))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a row filter cannot use type \"%s\"", format_type_be(type)),
				 errdetail("It belongs neither to the owner of the table nor to a superuser.")));
}

/* Checks the functions and types of an expression.  Never true. */
static bool
check_code(Node *node, void *context)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, check_function, context);
	/* a stored value has passed its type's checks; List and CaseWhen have no type */
	if (!IsA(node, Var) && !IsA(node, List) && !IsA(node, CaseWhen))
		check_type(exprType(node), (Relation) context);
	return expression_tree_walker(node, check_code, context);
}

/* Makes an error's position one in the filter, not in the statement that is running. */
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

/* Makes schema.table.column of this table table.column, because an alias has no schema. */
static bool
drop_schema(Node *node, void *table)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		ColumnRef *ref = (ColumnRef *) node;

		if (list_length(ref->fields) == 3 && strcmp(strVal(lsecond(ref->fields)), table) == 0)
			ref->fields = list_delete_first(ref->fields);
		return false;
	}
	return raw_expression_tree_walker(node, drop_schema, table);
}

/*
 * The filter over rel's columns, analysed but not planned.  With an alias, the
 * text uses the names that the table and its columns have there.
 */
static Node *
transform_filter(Relation rel, const char *text, Alias *alias)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *nsitem;
	Node *raw = raw_expression(text);
	Node *expr;

	sql_set_search_path();
	if (alias != NULL)
		(void) drop_schema(raw, alias->aliasname);
	pstate->p_sourcetext = text;
	nsitem = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, alias, false, true);
	addNSItemToQuery(pstate, nsitem, false, true, true);
	expr = transformExpr(pstate, raw, EXPR_KIND_CHECK_CONSTRAINT);
	expr = coerce_to_boolean(pstate, expr, "row filter");
	assign_expr_collations(pstate, expr);
	free_parsestate(pstate);
	return expr;
}

/*
 * Parses and plans a filter over the columns of `home`, the table that the map
 * has it for, for rel, which is that table or one below it.  rel is varno 1 of the
 * result.  The name of `home` in the filter stands for the row, also of a partition.
 *
 * Errors: the text is not a boolean expression over the row; or it contains a
 * subquery, an aggregate, a volatile function, a system or generated column, or
 * code that belongs neither to a superuser nor to the table's owner.  Also the
 * errors of its constant parts.
 */
Expr *
filter_parse(Relation rel, Oid home, const char *text)
{
	ErrorContextCallback context;
	Relation above = rel;
	Alias *alias = NULL;
	Node *expr;
	SavedRole caller = role_become_owner(rel);

	context.callback = parse_error_context;
	context.arg = unconstify(char *, text);
	context.previous = error_context_stack;
	error_context_stack = &context;
	/*
	 * The table of a shard is not opened: Citus locks it in one session of a distributed
	 * transaction, and writes the shard in another.
	 */
	if (OidIsValid(shard_table(RelationGetRelid(rel))))
		alias = makeAlias(get_rel_name(home), NIL);
	else if (home != RelationGetRelid(rel))
		above = relation_open(home, AccessShareLock);
	expr = transform_filter(above, text, alias);
	(void) check_code(expr, rel);
	if (above != rel)
	{
		expr = linitial(map_partition_varattnos(list_make1(expr), 1, rel, above));
		relation_close(above, AccessShareLock);
	}
	check_columns(rel, expr);
	expr = (Node *) expression_planner((Expr *) expr);
	if (contain_volatile_functions(expr))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a row filter cannot use volatile functions"),
				 errdetail(
					 "The owner of a row must not change from one evaluation of the filter to the next.")));
	role_restore(&caller);
	error_context_stack = context.previous;
	return (Expr *) expr;
}

/* The arguments of transform_filter(), for subxact_try(), and its result. */
typedef struct Transformed
{
	Relation rel;
	const char *text;
	Node *expr;
} Transformed;

static void
transform_as_is(void *arg)
{
	Transformed *t = arg;

	t->expr = transform_filter(t->rel, t->text, NULL);
}

/*
 * The text of a filter after the table, its schema or columns of it were renamed.
 * `table` is the name before, and `columns` are the columns' names before, by
 * attribute number.  NULL if the text still means the same.
 *
 * Errors: the filter had an error under the old names, too.
 */
char *
filter_renamed(Relation rel, const char *text, const char *table, List *columns)
{
	TupleDesc desc = RelationGetDescr(rel);
	Alias *before = makeAlias(table, NIL);
	SavedRole caller = role_become_owner(rel);
	Transformed now = {rel, text, NULL};
	char *renamed = NULL;
	Node *expr;

	/* the parser needs no name for a dropped column */
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		char *name = i < list_length(columns) ? list_nth(columns, i) : "";

		if (!att->attisdropped)
			before->colnames = lappend(before->colnames,
									   makeString(name[0] != '\0' ? name : NameStr(att->attname)));
	}
	expr = transform_filter(rel, text, before);
	if (subxact_try(transform_as_is, &now) != NULL || !equal(expr, now.expr))
		renamed = deparse_expression(expr,
									 deparse_context_for(RelationGetRelationName(rel),
														 RelationGetRelid(rel)),
									 false, false);
	role_restore(&caller);
	return renamed;
}
