/*
 * call.c
 *		How SQL calls the functions of this library: their arguments, the rows that a
 *		set-returning function returns, the rows of triggers.
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

/* Sets the i-th of a row's values, counted from 0, to a text.  A null pointer is SQL's NULL. */
void
call_put_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = text == NULL;
	values[i] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/*
 * Adds a row to what a function that returns a set returns.  All n columns of the
 * row are texts; a null pointer is SQL's NULL.
 */
void
call_put_row(ReturnSetInfo *rsinfo, int n, const char *const *texts)
{
	Datum *values = palloc(n * sizeof(Datum));
	bool *nulls = palloc(n * sizeof(bool));

	for (int i = 0; i < n; i++)
		call_put_text(values, nulls, i, texts[i]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The i-th argument, counted from 0, a text; NULL when it is NULL. */
char *
call_text(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/*
 * The elements of the i-th argument, counted from 0, as C strings; NIL when the
 * array is NULL or empty.  `type` is NAMEOID for a name[], else the array is a
 * text[].  `what` is the argument's name for the message.
 *
 * Errors: a null or empty element.
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
							errmsg("\"%s\" must not contain null or empty elements", what)));
		list = lappend(list, element);
	}
	return list;
}

/*
 * A trigger of the relation by its name, or NULL.  The pointer is valid until the
 * next look-up in a catalog, which may replace the relation's list of triggers.
 */
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

/* Is a dump being restored?  pg_restore and the scripts of pg_dump turn this setting off. */
bool
call_is_restoring(void)
{
	return !check_function_bodies;
}

/* The text output of a column of a trigger's row; NULL when the column is NULL. */
char *
call_row_text(TriggerData *td, HeapTuple tuple, const char *column)
{
	return SPI_getvalue(tuple, RelationGetDescr(td->tg_relation),
						SPI_fnumber(RelationGetDescr(td->tg_relation), column));
}

/* The row that is written: NEW; in a trigger for DELETE it is OLD. */
HeapTuple
call_written_tuple(TriggerData *td)
{
	return TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple : td->tg_trigtuple;
}
