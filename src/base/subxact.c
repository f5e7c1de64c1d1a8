/*
 * subxact.c
 *		Work in a subtransaction: it may fail without failing the statement, or the
 *		caller only tries it; and lists of state that follow subtransactions.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/resowner.h"

#include "base.h"

/*
 * Runs a function in a subtransaction, which is rolled back if the function fails
 * or returns false.  Returns the function's error, in the caller's memory context,
 * or NULL.  Raises the error again if is_fatal() is true of it.
 */
static ErrorData *
run(bool (*function)(void *), void *arg, bool (*is_fatal)(const ErrorData *))
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		if (function(arg))
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
		if (is_fatal(error))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}

/* Was the statement cancelled, or is the session ended? */
static bool
ends_statement(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		   ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/*
 * Does the error say nothing about the work, so that the work may succeed later?
 * The statement was cancelled, a lock was not available, or memory or disk space
 * was missing.
 */
static bool
is_temporary(const ErrorData *error)
{
	return ends_statement(error) || error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		   error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		   ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
			   ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES);
}

/* The arguments of subxact_try(), for run(). */
typedef struct Work
{
	void (*work)(void *);
	void *arg;
} Work;

static bool
do_work(void *arg)
{
	Work *w = arg;

	w->work(w->arg);
	return true;
}

/*
 * Does work that must not fail the statement because of what it finds in the data
 * or in the catalogs.  Returns NULL, or the work's error; then the work is rolled
 * back.
 *
 * Errors: those that say nothing about the work: a cancelled statement, a lock that
 * was not available in time, a deadlock, missing memory or disk space.
 */
ErrorData *
subxact_try(void (*work)(void *), void *arg)
{
	Work w = {work, arg};

	return run(do_work, &w, is_temporary);
}

/*
 * The same for a caller that reports unavailable locks itself and goes on: it
 * raises only the error of a cancelled statement.
 */
ErrorData *
subxact_try_locking(void (*work)(void *), void *arg)
{
	Work w = {work, arg};

	return run(do_work, &w, ends_statement);
}

/*
 * Must the error be raised again, whatever it interrupted?  It is not about the
 * data: resources are missing, the statement was cancelled, or the transaction
 * cannot be serialized or is in a deadlock.
 */
bool
subxact_error_is_fatal(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES):
		case ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION):
			return true;
		default:
			return error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
				   error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
	}
}

/*
 * Runs a function that works on one row of data, in a subtransaction, which is
 * rolled back if the function fails or returns false.  Returns NULL, or the error.
 *
 * Errors: those that are not about the data (subxact_error_is_fatal()).
 */
ErrorData *
subxact_trial(bool (*function)(void *), void *arg)
{
	return run(function, arg, subxact_error_is_fatal);
}

/*
 * A subtransaction ends.  If it was rolled back, what it made leaves the list and
 * is dropped; otherwise it belongs to the transaction above from now on.
 */
void
subxact_end(dlist_head *list, bool aborted, void (*drop)(Nested *))
{
	int level = GetCurrentTransactionNestLevel();
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, list)
	{
		Nested *nested = dlist_container(Nested, node, iter.cur);

		if (nested->level < level)
			continue;
		if (!aborted)
			nested->level = level - 1;
		else
		{
			dlist_delete(iter.cur);
			drop(nested);
		}
	}
}
