/*
 * store_pins.c
 *		The worker and flush() end the pins whose time is over, and write the owners of
 *		fields that have passed to another system.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "../catalog/catalog.h"
#include "activity.h"

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
