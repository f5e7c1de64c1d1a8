/*
 * edit.h
 *		The functions and triggers that edit the map.
 *
 * A function that names an object which does not exist raises an error
 * (require.c).  A trigger on the map's tables does not: the map may name what
 * is absent.
 */
#ifndef OWNERSHIP_EDIT_H
#define OWNERSHIP_EDIT_H

#include "access/attnum.h"
#include "commands/trigger.h"
#include "nodes/bitmapset.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"

/*
 * For other folders
 */

/* A column to put on the map, and the field that it becomes a copy of. */
typedef struct ColumnSpec
{
	const char *schema;
	const char *table;
	const char *column;
	const char *entity;
	const char *field;
	bool key; /* it is part of the primary key: the field is marked as key */
} ColumnSpec;

/* A row of mirrored_pattern: the arguments of a call of add_tables(). */
typedef struct TablePattern
{
	char *pattern;
	char *source;  /* NULL: the tables are shared */
	char *owner;   /* the source, if the row has no owner; NULL: none */
	List *readers; /* names of systems */
	List *exclude; /* patterns of tables and columns */
} TablePattern;

/* require.c */
extern void
require_undefined(const char *message, const char *nearest, const char *what, const char *hint);
extern void require_system(const char *name);
extern void require_domain(const char *name);
extern void require_policy(const char *name);
extern void require_relation(Oid relid);
extern COMPAT_NORETURN void require_undefined_column(Relation rel, const char *name);
extern COMPAT_NORETURN void require_no_table_matches(const char *pattern);
extern char *require_near_field(const char *entity, const char *field);

/* group.c */
extern char *field_group(const char *entity, const char *field);
extern ErrorData *field_group_error(char *entity, char *group);

/* fields.c */
extern bool field_knows_settings(void);
extern void field_map_columns(List *specs);
extern void field_set_access(const char *entity, const char *field, const char *mode, List *systems);
extern bool field_map_column(const char *schema, const char *table, const char *column,
							 const char *entity, const char *field, bool authoritative);
extern void field_mark_primary_key(Oid relid);

/* table_pattern.c */
extern bool table_pattern_drop_undecided(const TablePlace *place, const char *column);
extern List *table_pattern_load(void);
extern TablePattern *table_pattern_best(List *patterns, const TablePlace *place);
extern TablePattern *table_pattern_for(const TablePlace *place);
extern bool
table_pattern_excludes(List *patterns, const char *schema, const char *table, const char *column);
extern bool table_pattern_map(Oid relid, const TablePattern *pattern, List *only);

/* pass.c */
extern int64 pass_due(void);

/* away.c */
extern void away_note(const List *relids);

/* guard.c */
extern void guard_relation(Oid relid, bool quiet);
extern void guard_relations(List *relids);

/* evidence_names.c */
extern void rename_column_evidence(const TablePlace *place, const char *from, const char *to);
extern void rename_evidence(const TablePlace *from, const TablePlace *to);
extern void rename_pins(const TablePlace *from, const TablePlace *to);

/* recorder.c */
extern void history_end_statement(const void *statement);
extern void history_end_subtransaction(bool aborted);
extern void history_end_transaction(void);

/* table_triggers.c */
extern void table_triggers_write_filters(const char *sql, Parameters *p);
extern void table_triggers_insert_checked(const char *sql, Parameters *p);

/*
 * Within this folder
 */

#define SYSTEM_KINDS \
	"Kinds are erp, crm, pim, storefront, oms, wms, mdm, pos, marketing, helpdesk, tax, bi, other, and any kind that you add."

/*
 * SQL: the name in handover.passed of a row of row_owner r; and all that a row of
 * handover finds to pass.
 */
#define HANDOVER_PART \
	"format('%s.%s.%s.%s', r.table_schema, r.table_name, r.column_name, r.position)"
#define HANDOVER_PASSED(h)                                                                      \
	"ARRAY(SELECT ''::text FROM ownership.field f WHERE (f.entity, f.name) = (" h ".entity, " h \
	".field) AND f.owner = " h ".from_system "                                                  \
	"UNION ALL SELECT " HANDOVER_PART " FROM ownership.row_owner r "                            \
	"JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name) "           \
	"WHERE (c.entity, c.field) = (" h ".entity, " h ".field) AND r.owner = " h ".from_system "  \
	"UNION ALL SELECT '' FROM ownership.mirrored_pattern m WHERE " h                            \
	".field = '*' AND m.pattern = " h ".entity AND coalesce(m.owner, m.source) = " h            \
	".from_system)"

/* pass.c */
extern void pass_write(TimestampTz at, TimestampTz done_at, bool fields, bool rows, bool patterns);
extern void pass_cancel(const char *entity, const char *field, const char *why);

/* require.c */
extern Oid require_argument_relation(FunctionCallInfo fcinfo, int i);
extern void require_systems(List *names);
extern AttrNumber require_column(Oid relid, const char *name);
extern Oid require_table(const char *schema, const char *table);

/* fields.c */
extern void field_already_mapped(const char *schema, const char *table, const char *column,
								 const char *entity, const char *field);
extern void field_check_comparable(const char *entity, const char *field);
extern Bitmapset *field_primary_key(Oid relid);
extern bool field_in_key(Bitmapset *key, AttrNumber attnum);
extern List *field_table_columns(Oid relid);
extern void field_report_overwritable(const char *schema, const char *table, List *columns);

/* history.c */
extern bool history_is_silent(void);
extern void
history_record_guard(const Binding *binding, bool away, TimestampTz since, TimestampTz now);

/* recorder.c */
extern Inserter *history_inserter(void);
extern void history_release(Inserter *inserter);

/* evidence_names.c */
extern void rename_carry_evidence(TriggerData *td, const char *schema, const char *table);
extern void rename_system_evidence(const char *from, const char *to);

/* publish.c */
extern void publish_follow(TriggerData *td);
extern bool publish_is_received(const char *table);

#endif /* OWNERSHIP_EDIT_H */
