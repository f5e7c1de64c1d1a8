/*
 * ddl.h
 *		The map follows DDL.
 */
#ifndef OWNERSHIP_DDL_H
#define OWNERSHIP_DDL_H

#include "../catalog/catalog.h"

/*
 * Within this folder
 */

/* follow.c: the map follows its tables and columns */
#define FOLLOW_ARRIVAL 1  /* it may have come to its name, or to be a table of its own */
#define FOLLOW_GUARD 2	  /* what lies above it, or its triggers, may have changed */
#define FOLLOW_KEY 4	  /* it got a primary key */
#define FOLLOW_TRIGGERS 8 /* triggers of its own may have come, gone or been switched */

/* What one command did. */
typedef struct Followed
{
	List *relids;
	int flags;
	List *parts; /* of relids: what was attached or detached */
	const char *old;
	const char *new;
	bool subscription; /* old and new are a subscription's names, not a schema's */
	List *dropped;	   /* OIDs of tables */
	Oid guarded;	   /* got a trigger of the guard */
	bool own;		   /* triggers of the map's own tables may have changed */
} Followed;

/* What is to be done for one table or schema. */
typedef struct Task
{
	Oid classid;
	Oid objid;
	TablePlace was; /* on the map, before; only while it is settled */
	bool left;		/* it had such a place */
	bool arrived;
	List *fresh;
	List *gone; /* mirrored columns of it, and the OIDs of their types */
	List *gone_types;
	bool guard;		/* its triggers are to be looked at */
	bool extension; /* as the extension's owner */
} Task;

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

/* follow.c */
extern bool follow_concerns_map(Oid relid, int flags);
extern void follow_table(Oid relid, int flags);
extern void follow_dropped(Oid relid);
extern void follow_schema(const char *old, const char *new);
extern void follow_subscription(const char *old, const char *new);

/* events.c */
extern Node *event_command(FunctionCallInfo fcinfo, const char *event);
extern void tell(ErrorData *error);
extern List *event_relations(const char *sql);
extern void follow(void *arg);

#endif /* OWNERSHIP_DDL_H */
