/*
 * writes_copy.c
 *		Which columns COPY writes, and the first copy of a subscribed table.
 *
 * No plan names them: COPY tells when its privileges are checked, and a first copy by
 * its text (guard/lift_first_copy.c).
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "activity.h"

static CopyWrites *copying = NULL; /* the COPY under way */

/* The executor checks these privileges: the running COPY, if any, writes their columns. */
void
writes_see_copy(const CompatPerms *perms)
{
	const Outline *outline;

	if (copying == NULL || OidIsValid(copying->relid) || (perms->required & ACL_INSERT) == 0)
		return;
	copying->relid = perms->relid;
	copying->names = bms_copy(perms->inserted);
	outline = outline_of(perms->relid);
	if (outline != NULL)
	{
		handover_begin();
		copying->known = activity_system(outline, statement_moment(), &copying->system);
	}
}

/* Begins a COPY that writes.  Returns what writes_leave_copy() takes. */
CopyWrites *
writes_enter_copy(CopyWrites *copy)
{
	CopyWrites *outer = copying;

	memset(copy, 0, sizeof(CopyWrites));
	copying = copy;
	return outer;
}

/* The COPY ended, or failed: the one around it is the running one again. */
void
writes_leave_copy(CopyWrites *outer)
{
	copying = outer;
}

/* COPY wrote rows: if the guard judged none of them, counts the columns that it names. */
void
writes_count_copy(const void *statement, const CopyWrites *copy)
{
	const Outline *outline;

	if (!OidIsValid(copy->relid))
		return;
	outline = outline_of(copy->relid);
	if (outline != NULL)
	{
		CompatPerms perms = {0};

		perms.relid = copy->relid;
		perms.required = ACL_INSERT;
		perms.inserted = copy->names;
		handover_begin();
		if (copy->known && writes_find(statement, outline->home) == NULL)
			writes_count_named(statement, outline, copy->system, &perms, true);
	}
	writes_forget(statement);
}

/*
 * A first copy of a subscribed table brought rows, and the guard was lifted off them:
 * counts the columns that it names, as of one write.
 */
void
writes_count_first_copy(Oid relid, Bitmapset *names, Moment *moment)
{
	const Outline *outline;
	CompatPerms perms = {0};
	int system;

	if (!activity_traffic_counts() || (outline = outline_of(relid)) == NULL)
		return;
	perms.relid = relid;
	perms.required = ACL_INSERT;
	perms.inserted = names;
	handover_begin();
	if (activity_system(outline, moment, &system))
		writes_count_named(NULL, outline, system, &perms, true);
}
