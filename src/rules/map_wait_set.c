/*
 * map_wait_set.c
 *		Sets of the keys for which something waits, one for a table.
 *
 * A set is of this session.  It contains the part (map_wait_part()) of each key of its
 * table for which something waits, and maybe others: it only tells for which keys
 * nothing does.  It is a bit map in which a part has PROBES bits.
 *
 * It is complete when it is made (map_wait_find.c).  From then on each signal adds the
 * part that it brings (map_wait_signal.c), and so does what this session itself
 * parks or remembers.  It is dropped where it is not known what to add, where it is
 * full, and where the table or the map changes, for then other evidence may be the
 * table's.  Nothing is taken out of it: it is made anew when it has misled often.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "rules.h"

#define PROBES 3
#define BITS_A_KEY 16	  /* of a new set: then one of 150 look-ups misleads */
#define FULL_BITS_A_KEY 8 /* of a full one: one of 30 */
#define LINE_SHIFT 9
#define LINE_BITS (1 << LINE_SHIFT)
#define MIN_BITS (1 << 12) /* of a set */
#define MAX_BITS (1 << 24)

typedef struct WaitSet
{
	Oid home;		  /* its table; InvalidOid: there is no set */
	uint64 *bits;	  /* stays for the next set */
	uint32 allocated; /* number of bits */
	uint32 mask;	  /* number of bits in use, less 1 */
	uint32 room;	  /* so many parts may be added */
	uint64 changes;	  /* number of times that it was dropped, or could have been */
} WaitSet;

static WaitSet sets[MAP_WAIT_SLOTS];

/* The slot of a table among MAP_WAIT_SLOTS.  The first is nobody's: see map_wait_send(). */
uint32
map_wait_slot(Oid home)
{
	return 1 + murmurhash32(home) % (MAP_WAIT_SLOTS - 1);
}

/* The bit that the part has at each probe: all are in one line of the processor's cache. */
static inline uint32
bit_of(const WaitSet *set, uint32 part, int probe)
{
	uint32 line = murmurhash32(part) & set->mask & ~(uint32) (LINE_BITS - 1);

	return line | (murmurhash32(~part) >> probe * LINE_SHIFT & (LINE_BITS - 1));
}

static void
add(WaitSet *set, uint32 part)
{
	for (int i = 0; i < PROBES; i++)
	{
		uint32 bit = bit_of(set, part, i);

		set->bits[bit / 64] |= UINT64CONST(1) << bit % 64;
	}
}

static void
drop(WaitSet *set)
{
	set->home = InvalidOid;
	set->changes++;
}

/* Something begins to wait for a row of a table of the slot; 0: for any row. */
void
map_wait_set_add(uint32 slot, uint32 part)
{
	WaitSet *set = &sets[slot];

	if (part == 0)
		drop(set);
	else if (OidIsValid(set->home))
	{
		if (set->room-- == 0)
			drop(set);
		else
			add(set, part);
	}
}

/* Is it known that nothing waits for a key of the table with this part? */
bool
map_wait_set_lacks(Oid home, uint32 part)
{
	const WaitSet *set = &sets[map_wait_slot(home)];

	if (set->home != home)
		return false;
	for (int i = 0; i < PROBES; i++)
	{
		uint32 bit = bit_of(set, part, i);

		if ((set->bits[bit / 64] & UINT64CONST(1) << bit % 64) == 0)
			return true;
	}
	return false;
}

/* A number that changes whenever a set of the table would be dropped. */
uint64
map_wait_set_changes(Oid home)
{
	return sets[map_wait_slot(home)].changes;
}

/* The most keys that a set has room for. */
int64
map_wait_set_limit(void)
{
	return MAX_BITS / FULL_BITS_A_KEY;
}

/* Makes the set of a table, of the parts of all keys for which something waits. */
void
map_wait_set_make(Oid home, const uint32 *parts, int64 n)
{
	WaitSet *set = &sets[map_wait_slot(home)];
	uint32 nbits = pg_nextpower2_64(Max(n * BITS_A_KEY, MIN_BITS));

	nbits = Min(nbits, MAX_BITS);
	set->home = InvalidOid;
	if (set->allocated < nbits)
	{
		uint64 *bits = MemoryContextAlloc(TopMemoryContext, nbits / 8);

		if (set->bits != NULL)
			pfree(set->bits);
		set->bits = bits;
		set->allocated = nbits;
	}
	memset(set->bits, 0, nbits / 8);
	set->mask = nbits - 1;
	set->room = nbits / FULL_BITS_A_KEY - n;
	for (int64 i = 0; i < n; i++)
		add(set, parts[i]);
	set->home = home;
}

/* A table changed (InvalidOid: any may have): what waits for its rows may be other evidence now. */
void
map_wait_set_forget(Oid home)
{
	if (OidIsValid(home))
	{
		WaitSet *set = &sets[map_wait_slot(home)];

		if (set->home == home)
			drop(set);
		else
			set->changes++;
		return;
	}
	for (int i = 0; i < MAP_WAIT_SLOTS; i++)
		drop(&sets[i]);
}
