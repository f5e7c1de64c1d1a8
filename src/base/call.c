/*
 * call.c
 *		How SQL calls the functions of this library: arguments, rows that a set-returning
 *		function returns, rows of triggers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "base.h"

/* Puts a text into a row's values; NULL is NULL. */
void
call_put_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = text == NULL;
	values[i] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Returns a row of n texts, all of its columns, from a function that returns a set. */
void
call_put_row(ReturnSetInfo *rsinfo, int n, const char *const *texts)
{
	Datum *values = palloc(n * sizeof(Datum));
	bool *nulls = palloc(n * sizeof(bool));

	for (int i = 0; i < n; i++)
		call_put_text(values, nulls, i, texts[i]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

char *
call_text(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/*
 * The elements of a text[] or name[]; NIL when it is NULL or empty.
 *
 * Errors: a null or blank element.
 */
List *
call_list(FunctionCallInfo fcinfo, int i, Oid type, const char *what)
{
	Datum *elems;
	bool *nulls;
	int n;
	List *list = NIL;

	if (PG_ARGISNULL(i))
		return NIL;
	if (type == NAMEOID)
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
						  &elems, &nulls, &n);
	else
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), TEXTOID, -1, false, TYPALIGN_INT, &elems,
						  &nulls, &n);
	for (int e = 0; e < n; e++)
	{
		char *element = nulls[e]		  ? NULL
						: type == NAMEOID ? pstrdup(NameStr(*DatumGetName(elems[e])))
										  : TextDatumGetCString(elems[e]);

		if (element == NULL || element[0] == '\0')
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("\"%s\" must not hold null or empty elements", what)));
		list = lappend(list, element);
	}
	return list;
}

/* A trigger of the relation by its name, or NULL; until the next look-up in a catalog. */
Trigger *
call_find_trigger(Relation rel, const char *name)
{
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		if (strcmp(rel->trigdesc->triggers[i].tgname, name) == 0)
			return &rel->trigdesc->triggers[i];
	}
	return NULL;
}

/*
 * Is a dump being restored?  Scripts of pg_dump, and pg_restore, say so by
 * this setting.
 */
bool
call_is_restoring(void)
{
	return !check_function_bodies;
}

/* A text value of the row that is written, or NULL. */
char *
call_row_text(TriggerData *td, HeapTuple tuple, const char *column)
{
	return SPI_getvalue(tuple, RelationGetDescr(td->tg_relation),
						SPI_fnumber(RelationGetDescr(td->tg_relation), column));
}

HeapTuple
call_written_tuple(TriggerData *td)
{
	return TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple : td->tg_trigtuple;
}
