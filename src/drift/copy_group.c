/*
 * copy_group.c
 *		The copies of a group of fields (field.column_group) that are in one table: they
 *		are one value, so reconcile() writes all of them or none.
 *
 * What is one group in the copy's table, the map of that table says: row owners or a
 * partition key may split it, and the table may have columns of some of its fields
 * only.
 */
#include "postgres.h"

#include "access/relation.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "drift.h"

/* The fields (char *, entity.name) and columns of the group of the copy, but for its own. */
static void
find_group(const Copy *copy, List **fields, List **columns)
{
	Relation rel = relation_open(copy->to.relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	MappedColumn *col = map_column(map, copy->to.attnum);
	MappedColumn *each = NULL;

	*fields = *columns = NIL;
	while (col != NULL && col->group != 0 &&
		   (each = map_next_in_group(map, col->group, each)) != NULL)
	{
		if (each == col)
			continue;
		*fields = lappend(*fields, pstrdup(each->field));
		*columns = lappend(*columns, pstrdup(each->name));
	}
	relation_close(rel, NoLock);
}

/* The copy that is in a column of the copy's table; NULL: none, or it cannot be compared. */
static Copy *
find_mate(const Copy *copy, const char *field, const char *column)
{
	char *entity;
	char *name;
	ListCell *lc;

	names_split_field(field, &entity, &name);
	foreach(lc, copy_load(entity, name))
	{
		Copy *mate = lfirst(lc);

		if (mate->to.relid == copy->to.relid && strcmp(mate->to.column, column) == 0)
			return mate->problem == NULL && mate->from.relid == copy->from.relid &&
						   strcmp(mate->join, copy->join) == 0
					   ? mate
					   : NULL;
	}
	return NULL;
}

/*
 * Sets copy->mates.  Where the group has columns in the copy's table that the
 * authoritative table has no values for, warns and returns false: a part of a value
 * must not be written.  The caller has connected to SPI.
 */
bool
copy_find_mates(Copy *copy)
{
	List *fields;
	List *columns;
	ListCell *lf;
	ListCell *lc;

	copy->mates = NIL;
	find_group(copy, &fields, &columns);
	forboth(lf, fields, lc, columns)
	{
		Copy *mate = find_mate(copy, lfirst(lf), lfirst(lc));

		if (mate == NULL)
		{
			ereport(WARNING,
					(errmsg("column \"%s\" is not reconciled: only a part of its group would be written",
							holder_label(&copy->to)),
					 errdetail("Field \"%s\" is part of the group, and column \"%s\" is not compared with a column of table \"%s\".",
							   (char *) lfirst(lf), (char *) lfirst(lc),
							   names_message_relation(copy->from.schema, copy->from.table)),
					 errhint(
						 "Link it to a column of that table by ownership.link(), or take the field out of the group: set its field.column_group to NULL.")));
			return false;
		}
		copy->mates = lappend(copy->mates, mate);
	}
	return true;
}

/* SQL condition: a value of the copy's group differs from the authoritative one. */
char *
copy_sql_group_differs(const Copy *copy)
{
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "(%s", copy_sql_differs(copy));
	foreach(lc, copy->mates)
		appendStringInfo(&sql, " OR %s", copy_sql_differs(lfirst(lc)));
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* SQL condition: an authoritative value of the group cannot be written into the copy. */
char *
copy_sql_group_unfit(const Copy *copy)
{
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "(%s", copy_sql_unfit(copy));
	foreach(lc, copy->mates)
		appendStringInfo(&sql, " OR %s", copy_sql_unfit(lfirst(lc)));
	appendStringInfoChar(&sql, ')');
	return sql.data;
}
