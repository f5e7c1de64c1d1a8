/*
 * moment.c
 *		What the rows of a statement are judged by.
 *
 * One statement, one verdict: settings, role, origin and map are those of its
 * beginning, whatever its own functions or other sessions switch meanwhile, in
 * BEFORE as in AFTER.  Only an edit of the map that this session makes while
 * the statement runs holds for its rows to come.
 *
 * A moment is taken when the executor has started a statement that writes, and
 * when COPY begins.  It costs a few instructions; who writes is looked up, and
 * maps are taken, when the first guarded row asks.  A foreign-key action is
 * judged by the moment of the statement that set it off: its AFTER triggers
 * fire in that one.
 *
 * Row changes without a statement (those that a replication worker applies)
 * are judged by what holds then.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/snapshot.h"

#include "../base/base.h"
#include "rules.h"

/* The map of one relation, as it was when the statement first met it. */
typedef struct TakenMap
{
	Oid relid; /* InvalidOid: a free place */
	RelationMap *map;
} TakenMap;

#define PLACES_AT_ONCE 4

struct MomentState
{
	dlist_node node;
	MemoryContextCallback gone;
	const void *statement;
	MemoryContext cxt;
	Snapshot snapshot; /* of the statement; NULL: it may be older than its beginning */
	char *later;	   /* then one of its beginning, serialized; or NULL */
	uint64 signals;	   /* map_signals then */
	int nmaps;
	uint32 places;	/* a power of two, less than half of them taken */
	TakenMap *maps; /* by a hash of their OIDs */
	TakenMap first[PLACES_AT_ONCE];
	List *judged_before; /* OIDs of relations that BEFORE judges */
};

static dlist_head moments = DLIST_STATIC_INIT(moments);

/* What holds now. */
Moment
moment_now(void)
{
	Moment m = {0};

	m.key = writer_key();
	m.enforcement = (Enforcement) ownership_enforcement;
	m.default_policy = (Policy) ownership_default_policy;
	m.replica = SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;
	return m;
}

static void
forget_maps(MomentState *state)
{
	for (uint32 i = 0; i < state->places; i++)
	{
		if (OidIsValid(state->maps[i].relid))
			map_unpin(state->maps[i].map);
		state->maps[i] = (TakenMap){InvalidOid, NULL};
	}
	state->nmaps = 0;
}

static void
forget_moment(void *arg)
{
	MomentState *state = arg;

	forget_maps(state);
	dlist_delete(&state->node);
}

/* A statement with a snapshot begins.  It ends with the memory context. */
Moment *
moment_begin(const void *statement, Snapshot snapshot, MemoryContext cxt)
{
	Moment *m = MemoryContextAlloc(cxt, sizeof(Moment) + sizeof(MomentState));
	MomentState *state = (MomentState *) (m + 1);

	*m = moment_now();
	if (m->key.system[0] != '\0')
		m->key.system = MemoryContextStrdup(cxt, m->key.system);
	m->edits = map_edits_seen();
	m->state = state;
	state->statement = statement;
	state->cxt = cxt;
	state->snapshot = IsolationUsesXactSnapshot() ? NULL : snapshot;
	state->later = NULL;
	state->signals = map_signals;
	state->judged_before = NIL;
	state->places = PLACES_AT_ONCE;
	state->maps = state->first;
	state->nmaps = 0;
	memset(state->first, 0, sizeof(state->first));
	state->gone.func = forget_moment;
	state->gone.arg = state;
	MemoryContextRegisterResetCallback(cxt, &state->gone);
	dlist_push_head(&moments, &state->node);
	return m;
}

/* The moment of a statement that is under way, or NULL. */
Moment *
moment_of(const void *statement)
{
	dlist_iter iter;

	/* the innermost first; of a statement whose end an error cut off, another */
	dlist_foreach(iter, &moments)
	{
		MomentState *state = dlist_container(MomentState, node, iter.cur);

		if (state->statement == statement)
			return (Moment *) state - 1;
	}
	return NULL;
}

/* What this session has edited of the map since then holds at once. */
static void
hear_of_edits(Moment *m)
{
	if (likely(m->state == NULL || m->edits == map_edits))
		return;
	m->edits = map_edits_seen();
	m->identified = false;
	m->serial++;
	forget_maps(m->state);
}

static char *
copy_text(MemoryContext cxt, const char *text)
{
	return text == NULL ? NULL : MemoryContextStrdup(cxt, text);
}

static void
identify(Moment *m, const Writer *writer)
{
	m->writer = *writer;
	if (m->state != NULL)
	{
		m->writer.system = copy_text(m->state->cxt, writer->system);
		m->writer.carried = copy_text(m->state->cxt, writer->carried);
		m->writer.origin = copy_text(m->state->cxt, writer->origin);
	}
	m->identified = true;
}

/*
 * Who writes.
 *
 * Errors: the setting names no system.
 */
const Writer *
moment_writer(Moment *m)
{
	hear_of_edits(m);
	if (!m->identified)
		identify(m, writer_of(&m->key));
	return &m->writer;
}

/* The same without looking anything up: NULL where that would be needed. */
const Writer *
moment_known_writer(Moment *m)
{
	const Writer *writer;

	hear_of_edits(m);
	if (!m->identified)
	{
		writer = writer_known(&m->key);
		if (writer == NULL)
			return NULL;
		identify(m, writer);
	}
	return &m->writer;
}

/* The relation's place, which is free if its map was not taken. */
static TakenMap *
taken_map(const MomentState *state, Oid relid)
{
	uint32 place = murmurhash32(relid);

	for (;;)
	{
		TakenMap *taken = &state->maps[place & (state->places - 1)];

		if (taken->relid == relid || !OidIsValid(taken->relid))
			return taken;
		place++;
	}
}

static void
take_map(MomentState *state, RelationMap *map)
{
	TakenMap *taken;

	if (2 * (state->nmaps + 1) > (int) state->places)
	{
		MomentState more = *state;

		more.places = 8 * state->places;
		more.maps = MemoryContextAllocZero(state->cxt, more.places * sizeof(TakenMap));
		for (uint32 i = 0; i < state->places; i++)
			if (OidIsValid(state->maps[i].relid))
				*taken_map(&more, state->maps[i].relid) = state->maps[i];
		if (state->maps != state->first)
			pfree(state->maps);
		state->places = more.places;
		state->maps = more.maps;
	}
	taken = taken_map(state, map->relid);
	Assert(!OidIsValid(taken->relid));
	state->nmaps++;
	taken->relid = map->relid;
	taken->map = map;
	map_pin(map);
}

/*
 * Under REPEATABLE READ the statement's snapshot is that of the transaction.
 * Keep one of now, for maps that are yet to be read: of partitions that rows
 * are routed to, and of tables that foreign-key actions write.  It needs no
 * registering: the transaction's own, which is older, holds the rows that it
 * sees.
 */
void
moment_keep_snapshot(Moment *m)
{
	MomentState *state = m->state;
	Snapshot now;

	if (state->snapshot != NULL || state->later != NULL || !IsolationUsesXactSnapshot() ||
		IsInParallelMode())
		return;
	now = GetLatestSnapshot();
	state->later = MemoryContextAlloc(state->cxt, EstimateSnapshotSpace(now));
	SerializeSnapshot(now, state->later);
}

/* The map of a relation, if it was taken or is in the cache, else NULL. */
RelationMap *
moment_known_map(Moment *m, Oid relid)
{
	RelationMap *map;

	hear_of_edits(m);
	map = taken_map(m->state, relid)->map;
	if (map == NULL)
	{
		map = map_known(relid);
		if (map != NULL)
			take_map(m->state, map);
	}
	return map;
}

/*
 * The map of a relation, and in m->writer who writes.
 *
 * Errors: a row filter that cannot be compiled; the setting names no system.
 */
RelationMap *
moment_map(Moment *m, Relation rel)
{
	RelationMap *map = NULL;
	bool identified;

	hear_of_edits(m);
	if (m->state != NULL)
		map = taken_map(m->state, RelationGetRelid(rel))->map;
	if (map != NULL)
	{
		if (map->mapped)
			(void) moment_writer(m);
		return map;
	}

	/* others may have edited the map before a row of this relation came */
	if (m->state != NULL && (m->state->snapshot != NULL || m->state->later != NULL) &&
		m->state->signals != map_signals && m->serial == 0)
	{
		map = map_as_of(rel, m->state->snapshot != NULL ? m->state->snapshot
														: RestoreSnapshot(m->state->later));
		take_map(m->state, map);
		if (map->mapped)
			(void) moment_writer(m);
		return map;
	}

	/*
	 * Identities are part of the map: both from the newest.  Where something
	 * comes in each time, what was read last will do.
	 */
	identified = m->identified;
	for (int i = 0; i < 3; i++)
	{
		map = map_get(rel);
		if (!map->mapped)
			break;
		m->identified = identified;
		(void) moment_writer(m);
		if (map->valid)
			break;
	}
	if (m->state != NULL)
		take_map(m->state, map);
	return map;
}

/* BEFORE judges the rows of a relation, because AFTER may not come. */
void
moment_judge_before(Moment *m, Oid relid)
{
	MemoryContext old = MemoryContextSwitchTo(m->state->cxt);

	m->state->judged_before = list_append_unique_oid(m->state->judged_before, relid);
	MemoryContextSwitchTo(old);
}

bool
moment_judges_before(const Moment *m, Oid relid)
{
	return m == NULL || list_member_oid(m->state->judged_before, relid);
}
