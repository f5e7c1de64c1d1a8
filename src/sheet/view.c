/*
 * view.c
 *		INSERT and COPY into the view ownership.sheet.
 *
 * The trigger of each row checks its cells and collects the row; the statement's
 * last trigger stores all of them (store.c).  Statements may stand within each
 * other: the newest one collects.  What was collected belongs to the
 * (sub)transaction, and goes with it when it is rolled back.  The view of an older
 * version has only the row's trigger, which then stores the row.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "sheet.h"

PG_FUNCTION_INFO_V1(ownership_sheet_row);

/* The rows of one statement. */
typedef struct Collected
{
	struct Collected *outer; /* of the statement around it */
	MemoryContext cxt;
	SheetFound *found;
	List *rows;		/* of SheetRow * */
	List *contexts; /* of char *: the line of the file, as an error's context; NULL: none */
} Collected;

static Collected *collecting = NULL;

/* The memory of a statement goes. */
static void
forget(void *arg)
{
	for (Collected **c = &collecting; *c != NULL; c = &(*c)->outer)
	{
		if (*c == arg)
		{
			*c = (*c)->outer;
			return;
		}
	}
}

static void
begin(void)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurTransactionContext, "ownership sheet", ALLOCSET_DEFAULT_SIZES);
	Collected *c = MemoryContextAllocZero(cxt, sizeof(Collected));
	MemoryContextCallback *callback = MemoryContextAllocZero(cxt, sizeof(MemoryContextCallback));
	MemoryContext old;

	old = MemoryContextSwitchTo(cxt);
	c->found = sheet_new_found();
	MemoryContextSwitchTo(old);
	c->cxt = cxt;
	c->outer = collecting;
	callback->func = forget;
	callback->arg = c;
	MemoryContextRegisterResetCallback(cxt, callback);
	collecting = c;
}

/*
 * What COPY says of the line that it has read, for an error that comes when it has
 * read all of them; NULL: the row does not come from COPY.
 */
static char *
copy_line(void)
{
	char *context = error_context_stack == NULL ? NULL : GetErrorContextStack();

	if (context == NULL || strncmp(context, "COPY ", strlen("COPY ")) != 0)
		return NULL;
	context[strcspn(context, "\n")] = '\0';
	return context;
}

/* Runs work on a row; an error gets the row's field, and its line, if it has none. */
static void
try_row(void (*work)(SheetRow *), SheetRow *row, const char *line)
{
	MemoryContext cxt = CurrentMemoryContext;

	PG_TRY();
	{
		work(row);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		error->message = psprintf("field \"%s.%s\" of the sheet: %s", sheet_cell(row, SHEET_ENTITY),
								  sheet_cell(row, SHEET_FIELD), error->message);
		if (line != NULL)
			error->context =
				error->context == NULL ? pstrdup(line) : psprintf("%s\n%s", error->context, line);
		ReThrowError(error);
	}
	PG_END_TRY();
}

static void
check(SheetRow *row)
{
	for (const SheetCheck *c = sheet_checks; c->check != NULL; c++)
		c->check(row);
}

/* Checks the row of the statement, and collects or stores it. */
static void
take(TriggerData *td)
{
	MemoryContext old = CurrentMemoryContext;
	SheetRow *row;
	char *entity;
	char *field;

	if (collecting != NULL)
		MemoryContextSwitchTo(collecting->cxt);
	row = palloc0(sizeof(SheetRow));
	row->found = collecting == NULL ? NULL : collecting->found;
	for (int i = 0; i < SHEET_CELLS; i++)
		row->cells[i] = call_row_text(td, td->tg_trigtuple, sheet_headers[i]);
	MemoryContextSwitchTo(old);
	entity = sheet_cell(row, SHEET_ENTITY);
	field = sheet_cell(row, SHEET_FIELD);
	if (entity == NULL || field == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a row of the sheet needs entity and field"),
						errdetail("Entity is \"%s\", field is \"%s\".", entity ? entity : "",
								  field ? field : "")));
	SPI_connect();
	try_row(collecting == NULL ? sheet_store : check, row, NULL);
	SPI_finish();
	if (collecting == NULL)
		return;
	MemoryContextSwitchTo(collecting->cxt);
	collecting->rows = lappend(collecting->rows, row);
	collecting->contexts = lappend(collecting->contexts, copy_line());
	MemoryContextSwitchTo(old);
}

static void
store_alone(void *arg, int row)
{
	const Collected *c = arg;
	SheetRow *alone = list_nth(c->rows, row);

	/* what was found may be gone: the error says so */
	alone->found = NULL;
	try_row(sheet_store, alone, list_nth(c->contexts, row));
}

/* Stores the rows of the statement that ends. */
static void
end(void)
{
	Collected *c = collecting;
	SheetSet set = {0};

	if (c == NULL)
		return;
	set.n = list_length(c->rows);
	set.rows = palloc(Max(set.n, 1) * sizeof(SheetRow *));
	for (int i = 0; i < set.n; i++)
		set.rows[i] = list_nth(c->rows, i);
	set.arg = c;
	set.alone = store_alone;
	SPI_connect();
	sheet_store_set(&set);
	SPI_finish();
	MemoryContextDelete(c->cxt);
}

/*
 * sheet_row(), INSTEAD OF INSERT on the view ownership.sheet, and before and after
 * each statement.
 *
 * Errors: a row is wrong; the message begins with its field.  The statement
 * fails as a whole, so a file is imported whole or not at all.
 */
Datum
ownership_sheet_row(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "sheet_row");

	if (TRIGGER_FIRED_FOR_ROW(td->tg_event))
		take(td);
	else if (TRIGGER_FIRED_BEFORE(td->tg_event))
		begin();
	else
		end();
	return PointerGetDatum(TRIGGER_FIRED_FOR_ROW(td->tg_event) ? td->tg_trigtuple : NULL);
}
