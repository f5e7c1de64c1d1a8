/*
 * reads.c
 *		Which columns a statement reads.
 *
 * The executor's permission check names the columns that a statement reads.
 * Each counts once for a statement.  Looking costs no catalog access once a
 * relation is known, and raises no error that the statement would not raise
 * without the extension.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/parallel.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../rules/rules.h"
#include "activity.h"

static bool explaining = false;

/*
 * Switches the counting of reads off: what this extension itself looks up in
 * mirrored tables to answer a question is no system's read.  Returns what
 * reads_count_again() takes; an error undoes it, too.
 */
int
reads_do_not_count(void)
{
	int level = NewGUCNestLevel();

	(void) set_config_option("ownership.track_reads", "off", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
reads_count_again(int level)
{
	AtEOXact_GUC(true, level);
}

/*
 * Is anything counted at all?  Not without the library preloaded, not on a
 * standby, not in a parallel worker, and not in the extension's own worker.
 */
bool
activity_counts(void)
{
	return mailbox_exists() && !activity_is_worker && !IsParallelWorker();
}

/*
 * Does what a statement reads and writes count as a system's?  What is restored
 * from a dump does not.  Any role can set what a restore sets, so that is
 * believed of superusers only, which have other ways not to be counted.
 */
bool
activity_traffic_counts(void)
{
	return activity_counts() && !(call_is_restoring() && superuser_arg(GetOuterUserId()));
}

/*
 * The number (counts_system()) of the system that reads or writes a table.
 * moment: of the statement, or NULL: now.  False: to find out, this process would
 * have to wait for a lock.  If ownership.system names no system, the guard raises
 * an error; here it means unidentified.
 */
bool
activity_system(const Outline *outline, Moment *moment, int *system)
{
	const Writer *writer = moment == NULL ? NULL : moment_known_writer(moment);
	/* of the last writer and outline, which mostly are the same */
	static uint64 last_writer = 0;
	static uint64 last_outline = 0;
	static int last = 0;

	if (writer == NULL)
	{
		WriterKey key = moment == NULL ? writer_key() : moment->key;

		if (!writer_try(&key, &writer))
			return false;
	}
	if (writer == NULL)
	{
		*system = 0;
		return true;
	}
	if (writer->serial != last_writer || outline->loaded != last_outline)
	{
		last = counts_system(writer_system(writer, outline->source));
		last_writer = writer->serial;
		last_outline = outline->loaded;
	}
	*system = last;
	return true;
}

/* Counts the columns of a relation that a statement reads. */
static void
count_reads(const CompatPerms *perms)
{
	const Outline *outline = outline_of(perms->relid);
	TimestampTz now = GetCurrentStatementStartTimestamp();
	const int whole_row = 0 - FirstLowInvalidHeapAttributeNumber;
	bool whole;
	int system;
	int i = -1;

	if (outline == NULL || outline->shard)
		return;
	handover_begin();
	if (!activity_system(outline, NULL, &system))
		return;
	/* the look-up of the writer may have invalidated the outline */
	outline = outline_of(perms->relid);
	if (outline == NULL)
		return;
	whole = bms_is_member(whole_row, perms->selected);
	if (whole)
		i = whole_row;
	while ((i = whole ? i + 1 : bms_next_member(perms->selected, i)) >= 0)
	{
		AttrNumber attnum = i + FirstLowInvalidHeapAttributeNumber;

		if (attnum > outline->natts)
			break;
		if (attnum > 0 && outline->home_attnum[attnum - 1] != 0)
			counts_read(outline->home, outline->natts, system, outline->home_attnum[attnum - 1],
						now);
	}
}

/*
 * The executor starts a statement.  only_explained: EXPLAIN shows its plan, which
 * reads nothing.
 */
void
reads_begin(bool only_explained)
{
	explaining = only_explained;
}

/* The statement is started, or has failed. */
void
reads_started(void)
{
	explaining = false;
}

/* Does what the executor checks privileges for count as a system's read or write? */
bool
reads_are_seen(void)
{
	/* a foreign-key check reads for no system */
	return !explaining && !InNoForceRLSOperation() && IsTransactionState() &&
		   activity_traffic_counts();
}

/* The executor checks these privileges: counts the columns that the statement reads. */
void
reads_see(const CompatPerms *perms)
{
	if ((perms->required & ACL_SELECT) != 0 && perms->selected != NULL && ownership_track_reads)
		count_reads(perms);
}
