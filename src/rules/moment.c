/*
 * moment.c
 *		The moment of a statement: the settings, role, origin and map by which the
 *		guard judges its rows.
 *
 * They are those of the statement's beginning, for BEFORE and for AFTER triggers,
 * whatever the statement's own functions or other sessions change while it runs.
 * Only an edit of the map that this session makes while the statement runs applies
 * to the rows that follow.
 *
 * A moment is taken when the executor has started a statement that writes, and
 * when COPY begins.  It costs a few instructions; the writer and the maps are
 * looked up for the first guarded row.  A foreign-key action is judged by the
 * moment of the statement that caused it: its AFTER triggers fire in that statement.
 *
 * Row changes without a statement (those that a replication worker applies) are
 * judged by what is in force when they are made.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/execdesc.h"
#include "lib/ilist.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/snapshot.h"

#include "../base/base.h"
#include "rules.h"

/* The map of one relation, as it was when the statement first needed it. */
typedef struct TakenMap
{
	Oid relid; /* InvalidOid: a free place */
	RelationMap *map;
} TakenMap;

/* Places for maps that a moment has without further memory. */
#define PLACES_AT_ONCE 4

/* What a statement's moment has besides Moment; it follows the Moment in memory. */
struct MomentState
{
	dlist_node node;
	MemoryContextCallback gone;
	const void *statement; /* identifies it for moment_of() */
	bool query;			   /* that is a QueryDesc */
	MemoryContext cxt;
	Snapshot snapshot; /* of the statement; NULL: it may be older than the beginning */
	char *later;	   /* then a serialized snapshot of the beginning, or NULL */
	uint64 signals;	   /* map_signals at the beginning */
	int nmaps;
	uint32 places;	/* a power of two, at least twice nmaps */
	TakenMap *maps; /* a hash table by OID: `first` or allocated */
	TakenMap first[PLACES_AT_ONCE];
	List *judged_before; /* OIDs of relations whose rows BEFORE judges */
};

static dlist_head moments = DLIST_STATIC_INIT(moments); /* of MomentState, the innermost first */

/* The moment of a row change without a statement: what is in force now. */
Moment
moment_now(void)
{
	Moment m = {0};

	m.key = writer_key();
	m.began = map_time();
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

/* The memory context of a moment is reset or deleted. */
static void
forget_moment(void *arg)
{
	MomentState *state = arg;

	forget_maps(state);
	dlist_delete(&state->node);
}

/*
 * A statement with a snapshot begins.  `statement` identifies it.  The moment ends
 * when the memory context is reset or deleted.
 */
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
	state->query = false;
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

/* The same for a query that the executor has started. */
void
moment_begin_query(QueryDesc *query, MemoryContext cxt)
{
	moment_begin(query, query->snapshot, cxt)->state->query = true;
}

/* Calls a function for each running query that has a moment. */
void
moment_each_query(void (*visit)(QueryDesc *))
{
	dlist_iter iter;

	dlist_foreach(iter, &moments)
	{
		MomentState *state = dlist_container(MomentState, node, iter.cur);

		if (state->query)
			visit((QueryDesc *) unconstify(void *, state->statement));
	}
}

/* The moment of a running statement, or NULL. */
Moment *
moment_of(const void *statement)
{
	dlist_iter iter;

	/* the innermost first: one that an error ended may still be here, with the same address */
	dlist_foreach(iter, &moments)
	{
		MomentState *state = dlist_container(MomentState, node, iter.cur);

		if (state->statement == statement)
			return (Moment *) state - 1;
	}
	return NULL;
}

/* Applies the edits of the map that this session has made since the moment was taken. */
static void
follow_edits(Moment *m)
{
	if (likely(m->state == NULL || m->edits == map_edits))
		return;
	m->edits = map_edits_seen();
	m->identified = false;
	m->serial++;
	forget_maps(m->state);
}

/* Copies the writer into the moment.  Its strings live as long as the session. */
static void
identify(Moment *m, const Writer *writer)
{
	m->writer = *writer;
	m->identified = true;
}

/*
 * The writer of the moment.
 *
 * Errors: the setting ownership.system names a system that does not exist.
 */
const Writer *
moment_writer(Moment *m)
{
	follow_edits(m);
	if (!m->identified)
		identify(m, writer_of(&m->key));
	return &m->writer;
}

/* The same from memory; NULL if the writer would have to be looked up. */
const Writer *
moment_known_writer(Moment *m)
{
	const Writer *writer;

	follow_edits(m);
	if (!m->identified)
	{
		writer = writer_known(&m->key);
		if (writer == NULL)
			return NULL;
		identify(m, writer);
	}
	return &m->writer;
}

/* The relation's place among the maps; it is free if the relation's map was not taken. */
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

/* Makes a map that of the moment for its relation, and pins it. */
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
 * Keeps a snapshot of the statement's beginning, if the statement's own snapshot
 * is that of the transaction, as under REPEATABLE READ.  It is for maps that are
 * loaded later: of partitions that rows are routed to, and of tables that
 * foreign-key actions write.  It need not be registered: the transaction's
 * snapshot, which is older, keeps VACUUM from removing the rows that it sees.
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

/*
 * The map of a relation if the moment or the cache has it, else NULL.  Only for a
 * moment of a statement.
 */
RelationMap *
moment_known_map(Moment *m, Oid relid)
{
	RelationMap *map;

	follow_edits(m);
	map = taken_map(m->state, relid)->map;
	if (map == NULL)
	{
		map = map_known(relid, m->began);
		if (map != NULL)
			take_map(m->state, map);
	}
	return map;
}

/*
 * The map of a relation that the statement may write later, if the cache has it as it
 * was at the statement's beginning; else NULL.  The moment does not take it.
 */
RelationMap *
moment_peek_map(const Moment *m, Oid relid)
{
	if (m->state == NULL || m->state->signals != map_signals || m->edits != map_edits ||
		m->serial != 0)
		return NULL;
	return map_known(relid, m->began);
}

/*
 * The map of a relation.  If the relation is on the map, m->writer is set, too.
 *
 * Errors: a row filter that cannot be compiled; the setting ownership.system names
 * a system that does not exist.
 */
RelationMap *
moment_map(Moment *m, Relation rel)
{
	RelationMap *map = NULL;
	bool identified;

	follow_edits(m);
	if (m->state != NULL)
		map = taken_map(m->state, RelationGetRelid(rel))->map;
	if (map != NULL)
	{
		if (map->mapped)
			(void) moment_writer(m);
		return map;
	}

	/* another session may have edited the map after the statement began */
	if (m->state != NULL && (m->state->snapshot != NULL || m->state->later != NULL) &&
		m->state->signals != map_signals && m->serial == 0)
	{
		map = map_as_of(rel,
						m->state->snapshot != NULL ? m->state->snapshot
												   : RestoreSnapshot(m->state->later),
						m->began);
		take_map(m->state, map);
		if (map->mapped)
			(void) moment_writer(m);
		return map;
	}

	/*
	 * Identities are part of the map, so writer and map must be of one state, the
	 * newest.  If an invalidation comes during each try, the last one counts.
	 */
	identified = m->identified;
	for (int i = 0; i < 3; i++)
	{
		map = map_at(rel, m->began);
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

/* BEFORE judges the rows of this relation, because AFTER triggers may not fire for it. */
void
moment_judge_before(Moment *m, Oid relid)
{
	MemoryContext old = MemoryContextSwitchTo(m->state->cxt);

	m->state->judged_before = list_append_unique_oid(m->state->judged_before, relid);
	MemoryContextSwitchTo(old);
}

/* Does BEFORE judge the relation's rows?  Always without a moment (NULL). */
bool
moment_judges_before(const Moment *m, Oid relid)
{
	return m == NULL || list_member_oid(m->state->judged_before, relid);
}
