/*
 * discover.h
 *		Who wrote the rows that are there: from what PostgreSQL keeps of their
 *		transactions, and from columns that tell it.
 */
#ifndef OWNERSHIP_DISCOVER_H
#define OWNERSHIP_DISCOVER_H

#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "replication/origin.h"
#include "storage/block.h"
#include "utils/hsearch.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"

/*
 * For other folders
 */

/* One run over tables; see discover_begin(). */
typedef struct DiscoverRun DiscoverRun;

/* run.c */
extern DiscoverRun *discover_begin(void);

/* share.c */
extern char *discover_share(DiscoverRun *run, Oid relid);

/*
 * Within this folder
 */

/* What tells who wrote a row, or why nothing does. */
typedef enum Told
{
	TOLD_BY_ORIGIN,
	TOLD_BY_COLUMN,
	TOLD_NO_ORIGIN, /* a session of this database: the role is recorded nowhere */
	UNTOLD_GONE,	/* the origin was dropped */
	UNTOLD_REUSED,	/* the origin may be younger than the row, its number used again */
	UNTOLD_OLD,		/* the transaction is older than what PostgreSQL keeps */
	UNTOLD_FROZEN,	/* as above, or the transaction's number may have been used again */
	UNTOLD_PENDING, /* the row is of the running transaction */
	UNTOLD_OFF		/* commit timestamps are not kept */
} Told;

/* A replication origin's number, and what it means now. */
typedef struct DiscoverOrigin
{
	RepOriginId id; /* key */
	bool there;		/* there is such an origin */
	bool compared;	/* the next two are known: rows may be older than the origin */
	TransactionId created;
	TimestampTz created_at; /* 0: not known */
	char *name;				/* of the subscription, else of the origin */
	char *system;			/* that its identity names; NULL: none */
	bool carrier;			/* it writes as the source of a table */
} DiscoverOrigin;

struct DiscoverRun
{
	MemoryContext cxt;	 /* contains all of it */
	bool tracking;		 /* commit timestamps are kept */
	HTAB *origins;		 /* of DiscoverOrigin */
	List *systems;		 /* names of systems */
	List *identities;	 /* names of roles, subscriptions and origins that are identified */
	List *identity_owns; /* their systems, in the same order; "" for none */
};

/* How a column's values tell who wrote a row. */
typedef enum TellerKind
{
	TELLER_LOADER, /* any value tells that a loader wrote it */
	TELLER_NAME,   /* the value is the writer's name */
	TELLER_SOURCE  /* the value is the writer's name if there is such a system or role */
} TellerKind;

/* A column that tells who wrote a row. */
typedef struct Teller
{
	AttrNumber attnum;
	TellerKind kind;
	int rank; /* the lower is asked first */
	char *column;
	const char *loader; /* of TELLER_LOADER */
	FmgrInfo output;
	bool varlena;
} Teller;

/* Rows of a table of which the same is known; hashed by its bytes, without gaps. */
typedef struct RowGroupKey
{
	int32 told;
	uint16 origin;	/* of TOLD_BY_ORIGIN */
	int16 teller;	/* of TOLD_BY_COLUMN: an index */
	char value[64]; /* of TOLD_BY_COLUMN; empty: of more values than are kept */
} RowGroupKey;

typedef struct RowGroup
{
	RowGroupKey key;
	int64 rows;			/* that were read */
	TimestampTz since;	/* the first commit; 0: not known, as until */
	TimestampTz until;	/* the last one */
	const char *system; /* NULL: unknown */
	const char *name;	/* of the writer; NULL: none */
	bool settled;		/* system and name are set */
} RowGroup;

/* What was read of a table. */
typedef struct TableRows
{
	List *tellers;	   /* of Teller * */
	RowGroup **groups; /* those with the most rows first */
	int ngroups;
	int64 read;			/* rows */
	BlockNumber pages;	/* that were read */
	BlockNumber npages; /* of the table */
	bool whole;			/* all rows were read */
} TableRows;

/* commit.c */
extern bool discover_tracking(void);
extern Told
discover_commit(bool tracking, TransactionId xid, bool frozen, TimestampTz *at, RepOriginId *origin);

/* origin.c */
extern DiscoverOrigin *discover_origin(DiscoverRun *run, RepOriginId id);
extern bool
discover_origin_is_older(const DiscoverOrigin *origin, TransactionId xid, TimestampTz at);

/* teller.c */
extern List *discover_tellers(Relation rel);
extern bool discover_tell(DiscoverRun *run, List *tellers, TupleTableSlot *slot, RowGroupKey *key);
extern char *discover_system_named(DiscoverRun *run, const char *name);

/* rows.c */
extern TableRows *discover_rows(DiscoverRun *run, Relation rel, const char *source, int64 exact,
								int64 sample, BlockNumber most_pages);
extern int64 discover_estimate(const TableRows *table, int64 rows);

/* may_read.c */
extern const char *discover_unreadable(Relation rel);

#endif /* OWNERSHIP_DISCOVER_H */
