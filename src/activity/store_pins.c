/*
 * store_pins.c
 *		The worker and flush() end the pins whose time is over, and write the owners of
 *		fields that have passed to another system.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "activity.h"

#define WARN_MS (60 * 1000) /* between two warnings of the worker */

/*
 * Pins whose time is over end.  The function belongs to a folder above, so SQL calls it.
 * An older version of the extension has no pins.
 */
void
store_end_pins(void)
{
	if (XactReadOnly || !OidIsValid(catalog_table("pin_open_idx", true)))
		return;
	SPI_connect();
	if (SPI_execute("SELECT ownership.pin_due()", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	SPI_finish();
}

/* The same of fields that have passed. */
void
store_pass(void)
{
	if (XactReadOnly || !succession_is_due(GetCurrentStatementStartTimestamp()))
		return;
	SPI_connect();
	if (SPI_execute("SELECT ownership.handover_due()", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	SPI_finish();
}

static void
pass(void *arg)
{
	store_pass();
}

/*
 * The same for the worker.  The owners are in force anyway, so what prevents it delays
 * nothing else: a session may have locked the rows, as one that waits for the worker in
 * flush() has.
 */
void
store_try_pass(void)
{
	static TimestampTz warned_at = 0;
	ErrorData *error = subxact_try_locking(pass, NULL);

	if (error == NULL || error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		!TimestampDifferenceExceeds(warned_at, GetCurrentTimestamp(), WARN_MS))
		return;
	warned_at = GetCurrentTimestamp();
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not write the owners of fields that have passed: %s", error->message),
			 errhint(
				 "They are in force all the same. SELECT ownership.handover_due() tries again.")));
}
