/*
 * trial.c
 *		Running something that may fail, or that is only tried.
 */
#include "ownership.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/*
 * Runs a function in a subtransaction, which is rolled back if it fails or
 * returns false.  Returns its error, or NULL.  What the function allocates in
 * the context of the caller stays.
 *
 * Errors: those that are not about the data, such as a cancelled query.
 */
ErrorData *
trial(bool (*function)(void *), void *arg)
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
		if (error_is_fatal(error))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}
