/*
 * run.c
 *		A run over tables: what it has to know beforehand.
 */
#include "postgres.h"

#include "../base/base.h"
#include "discover.h"

/* Begins a run: in the current memory context, with SPI connected. */
DiscoverRun *
discover_begin(void)
{
	DiscoverRun *run = palloc0(sizeof(DiscoverRun));
	HASHCTL ctl = {.keysize = sizeof(RepOriginId),
				   .entrysize = sizeof(DiscoverOrigin),
				   .hcxt = CurrentMemoryContext};
	Parameters p = {0};
	uint64 n;

	run->cxt = CurrentMemoryContext;
	run->tracking = discover_tracking();
	run->origins = hash_create("ownership origins", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	run->systems = sql_query_names("SELECT name FROM ownership.system ORDER BY name COLLATE \"C\"");
	/* a role's name in a column means what its identity says, before that of a feed */
	n = sql_run("SELECT name, coalesce(system, '') FROM ownership.identity "
				"ORDER BY kind <> 'role', kind, name COLLATE \"C\"",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		run->identities = lappend(run->identities, sql_result_text(i, 1));
		run->identity_owns = lappend(run->identity_owns, sql_result_text(i, 2));
	}
	return run;
}
