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
 * What this extension looks up in mirrored tables to answer a question is no
 * system's reading.  Returns what reads_count_again() takes; errors undo it,
 * too.
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
 * standby, and not what the worker itself does.
 */
bool
activity_counts(void)
{
	return mailbox_exists() && !activity_is_worker && !IsParallelWorker();
}

/*
 * Is what a statement reads and writes some system's doing?  What is restored
 * from a dump is not.  Anyone may say that he restores one, so it counts only
 * of a superuser, who has other ways not to be counted.
 */
bool
activity_traffic_counts(void)
{
	return activity_counts() && !(call_is_restoring() && superuser_arg(GetOuterUserId()));
}

/*
 * Who is reading or writing a table, as a number.  moment: of the statement, or
 * NULL: now.  False: that cannot be told now.  A setting that names no system is
 * an error to the guard, but not to us.
 */
bool
activity_system(const Outline *outline, Moment *moment, int *system)
{
	const Writer *writer = moment == NULL ? NULL : moment_known_writer(moment);
	WriterKey key = moment == NULL ? writer_key() : moment->key;

	if (writer == NULL && !writer_try(&key, &writer))
		return false;
	*system = writer == NULL ? 0 : counts_system(writer_system(writer, outline->source));
	return true;
}

static void
count_reads(const CompatPerms *perms)
{
	const Outline *outline = outline_of(perms->relid);
	TimestampTz now = GetCurrentStatementStartTimestamp();
	const int whole_row = 0 - FirstLowInvalidHeapAttributeNumber;
	bool whole;
	int system;
	int i = -1;

	if (outline == NULL)
		return;
	handover_begin();
	if (!activity_system(outline, NULL, &system))
		return;
	/* finding out who may have made us forget what is on the map */
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
 * The executor starts a statement; only_explained: to show its plan, which reads
 * nothing.
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

/* Is what the executor checks privileges for some system's reading or writing? */
bool
reads_are_seen(void)
{
	/* foreign-key checks read on nobody's behalf */
	return !explaining && !InNoForceRLSOperation() && IsTransactionState() &&
		   activity_traffic_counts();
}

/* A statement reads what it needs these privileges for. */
void
reads_see(const CompatPerms *perms)
{
	if ((perms->required & ACL_SELECT) != 0 && perms->selected != NULL && ownership_track_reads)
		count_reads(perms);
}
