/*
 * subxact.c
 *		What may fail without failing the statement that it is done for, or is
 *		only tried.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/resowner.h"

#include "base.h"

/*
 * Runs a function in a subtransaction, which is rolled back if it fails or
 * returns false.  Returns its error, in the caller's memory context, or NULL.
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

static bool
ends_statement(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		   ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/*
 * Is the error of this moment, and tells nothing of the work?  A lock that
 * could not be had, or memory or disk space.
 */
static bool
is_passing(const ErrorData *error)
{
	return ends_statement(error) || error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		   error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		   ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
			   ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES);
}

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
 * What must not stop what it comes after because of what it finds.  Returns
 * NULL, or the error; then nothing of what the work did remains.
 *
 * Errors: those that another moment would not bring: a cancelled statement, a
 * lock that was not to be had in time, a deadlock.
 */
ErrorData *
subxact_try(void (*work)(void *), void *arg)
{
	Work w = {work, arg};

	return run(do_work, &w, is_passing);
}

/* The same for a caller who tells of locks that were not to be had, and goes on. */
ErrorData *
subxact_try_locking(void (*work)(void *), void *arg)
{
	Work w = {work, arg};

	return run(do_work, &w, ends_statement);
}

/* Must an error be passed on, whatever it interrupted? */
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
 * What is about one row of data: rolled back, too, when the function returns
 * false.
 *
 * Errors: those that are not about the data (subxact_error_is_fatal).
 */
ErrorData *
subxact_trial(bool (*function)(void *), void *arg)
{
	return run(function, arg, subxact_error_is_fatal);
}

/*
 * A subtransaction ends.  What it made is removed from the list and dropped when
 * it is rolled back, and belongs to the transaction above it otherwise.
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
