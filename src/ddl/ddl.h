/*
 * ddl.h
 *		The map follows DDL: event triggers see a command (events.c, drop.c),
 *		the map follows it at once (follow.c, columns.c, rename.c), and what
 *		has to wait for the commit is queued (queue.c) and settled (settle.c).
 */
#ifndef OWNERSHIP_DDL_H
#define OWNERSHIP_DDL_H

#include "nodes/parsenodes.h"

#include "../catalog/catalog.h"

/*
 * Within this folder
 */

/* What a command may have done to a table. */
#define FOLLOW_ARRIVAL 1  /* it got its name, or is no longer part of another table */
#define FOLLOW_GUARD 2	  /* the tables above it changed, or its triggers were enabled */
#define FOLLOW_KEY 4	  /* it got a primary key */
#define FOLLOW_TRIGGERS 8 /* its own triggers were created, dropped or switched */

/* What one command did; event_follow() follows it. */
typedef struct Followed
{
	List *relids;	 /* OIDs of the tables that it is about */
	int flags;		 /* FOLLOW_..., of relids */
	List *parts;	 /* OIDs: tables that were attached or detached as partitions */
	const char *old; /* names of a schema, before and after; NULL: none was renamed */
	const char *new;
	bool subscription; /* old and new are a subscription's names, not a schema's */
	List *dropped;	   /* OIDs of tables */
	Oid guarded;	   /* the table that got a trigger of the guard; InvalidOid: none */
	Oid part;		   /* table that became a partition; InvalidOid: none */
	bool own;		   /* triggers of the extension's own tables may have changed */
} Followed;

/*
 * What is to be done for one table or schema when the transaction commits: a
 * row of ddl_queue.
 */
typedef struct Task
{
	Oid classid;
	Oid objid;
	/* the following are known while the task is settled */
	TablePlace was;	  /* the place that it had on the map, and left; NULLs: none */
	bool left;		  /* there is such a place */
	bool arrived;	  /* it got its name in this transaction */
	List *fresh;	  /* names of its new columns */
	List *gone;		  /* names of its mirrored columns that were dropped */
	List *gone_types; /* OIDs of their types, as text */
	bool guard;		  /* its triggers are to be checked */
	bool extension;	  /* the guard is created as the extension's owner */
} Task;

/* key_types.c */
extern bool follow_has_other_types(Oid relid, const Binding *before);
extern void follow_key_types(Oid relid, const TablePlace *place);

/* queue.c */
extern void
queue_add(Oid classid, Oid objid, const TablePlace *was, bool arrived, bool guard, List *fresh);
extern bool queue_knows_replaced_columns(void);
extern void queue_gone(Oid relid, List *names, List *types);
extern List *queue_tasks(void);
extern bool queue_contains(const Task *task);
extern bool queue_is_unsettled(Oid relid);

/* notices.c */
extern void notices_report_renamed(const Task *task, const TablePlace *place);
extern void notices_report_unjudged(Oid relid, const TablePlace *place);
extern void notices_report_unsettled(Oid relid, ErrorData *error, const char *what);

/* rename.c */
extern void rename_on_map(const TablePlace *from, const TablePlace *to);
extern void rename_in_filters(Oid relid, const TablePlace *place, const char *table, List *columns);
extern void rename_column_on_map(const TablePlace *place, const char *from, const char *to);

/* columns.c */
extern void follow_columns(const Binding *b, const TablePlace *place);

/* lost.c */
extern void lost_with_table(Oid relid, const TablePlace *place);
extern void lost_report(const TablePlace *was, const TablePlace *place);
extern void
lost_record(Oid relid, const TablePlace *mapped, const TablePlace *place, const char *bounds);
extern void lost_report_bounds(const TablePlace *was, const TablePlace *place, const char *bounds);

/* lost_part.c */
extern void lost_with_partition(Oid relid);
extern void lost_report_partition(Oid relid);

/* lost_drop.c */
extern ErrorData *lost_before_drop(Node *command);
extern ErrorData *lost_before_detach(Oid parent, Oid child);

/* follow.c */
extern bool follow_concerns_map(Oid relid, int flags);
extern void follow_table(Oid relid, int flags);
extern void follow_dropped(Oid relid);
extern void follow_schema(const char *old, const char *new);
extern void follow_subscription(const char *old, const char *new);

/* events.c */
extern Node *event_command(FunctionCallInfo fcinfo, const char *event);
extern void event_report(ErrorData *error);
extern List *event_relations(const char *sql);
extern void event_follow(void *arg);

#endif /* OWNERSHIP_DDL_H */
