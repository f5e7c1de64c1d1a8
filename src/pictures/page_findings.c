/*
 * page_findings.c
 *		The risks as the page shows them: what people must decide, one decision a
 *		field, and notes for the administrator.
 *
 * The view is read once, because the look-up of some risks reads mirrored tables.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "pictures.h"

#define MAX_NOTE_ROWS 10 /* of a kind */
#define LOOKED_AT 50	 /* decisions of which it is counted how often there was a quarrel */

/* The risks on which people decide who need no account in the database. */
static const struct
{
	const char *risk;
	const char *severity; /* NULL: any */
	DecisionKind kind;
} decision_risks[] = {{"contested", NULL, DECISION_CONTESTED},
					  {"unowned", NULL, DECISION_UNOWNED},
					  {"unowned_key", NULL, DECISION_UNOWNED_KEY},
					  {"undeclared_writer", NULL, DECISION_UNDECLARED},
					  {"silent_owner", NULL, DECISION_SILENT},
					  {"drifting", "medium", DECISION_DRIFTING},
					  {"out_of_bounds", NULL, DECISION_OUT_OF_BOUNDS},
					  {"pinned", NULL, DECISION_PINNED},
					  {"blurred", NULL, DECISION_BLURRED}};

/* Decisions by what they are about. */
typedef struct DecisionEntry
{
	const char *key; /* entity and field, or a table */
	Decision *decision;
} DecisionEntry;

static uint32
hash_text(const void *key, Size size)
{
	const char *text = *(const char *const *) key;

	return DatumGetUInt32(hash_any((const unsigned char *) text, strlen(text)));
}

static int
match_text(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int
severity_rank(const char *severity)
{
	return strcmp(severity, "high") == 0 ? 0 : strcmp(severity, "medium") == 0 ? 1 : 2;
}

/* The kind of decision that a risk is; -1: it is a note for the administrator. */
static int
decision_kind(const char *risk, const char *severity)
{
	for (int i = 0; i < (int) lengthof(decision_risks); i++)
		if (strcmp(decision_risks[i].risk, risk) == 0 &&
			(decision_risks[i].severity == NULL || strcmp(decision_risks[i].severity, severity) == 0))
			return decision_risks[i].kind;
	return -1;
}

/* Adds systems that the list does not have. */
static List *
add_systems(List *systems, List *more)
{
	ListCell *lc;

	foreach(lc, more)
		if (!names_contain(systems, lfirst(lc)))
			systems = lappend(systems, lfirst(lc));
	return systems;
}

/* A row of the view risks. */
typedef struct Risk
{
	const char *severity;
	const char *risk;
	char *entity;
	char *field;
	char *relation;
	char *column;
	List *systems;
	char *detail;
	char *advice;
	char *owner; /* of the field */
	char *source;
	int copies;
} Risk;

static void
add_decision(PageMap *page, HTAB *hash, const Risk *r, DecisionKind kind)
{
	char *key = r->field != NULL ? psprintf("%s\n%s", r->entity, r->field) : r->relation;
	bool found;
	DecisionEntry *entry = hash_search(hash, &key, HASH_ENTER, &found);
	Decision *d;

	if (!found)
	{
		PageEntity *entity = page_find_entity(page, r->entity);

		d = entry->decision = palloc0(sizeof(Decision));
		d->entity = r->entity;
		d->field = r->field;
		d->relation = r->relation;
		d->severity = severity_rank(r->severity);
		d->detail = r->detail;
		d->owner = r->owner;
		d->source = r->source;
		d->copies = r->copies;
		d->crossing = entity == NULL || entity->crossing > 0;
		if (entity != NULL)
			entity->decisions++;
		page->decisions = lappend(page->decisions, d);
	}
	d = entry->decision;
	d->kinds |= 1 << kind;
	d->systems = add_systems(d->systems, r->systems);
	if (kind == DECISION_CONTESTED || kind == DECISION_UNOWNED || kind == DECISION_UNDECLARED)
		d->writers = add_systems(d->writers, r->systems);
	/* of a quarrel that has another name, the view says so in words only */
	if (strstr(r->detail, " was never seen writing it.") != NULL)
		d->kinds |= 1 << DECISION_SILENT;
}

static void
add_note(PageMap *page, const Risk *r)
{
	Note *note = NULL;
	ListCell *lc;

	foreach(lc, page->notes)
	{
		Note *other = lfirst(lc);

		if (strcmp(other->risk, r->risk) == 0 && strcmp(other->severity, r->severity) == 0)
			note = other;
	}
	if (note == NULL)
	{
		note = palloc0(sizeof(Note));
		note->severity = r->severity;
		note->risk = r->risk;
		note->advice = r->advice;
		page->notes = lappend(page->notes, note);
	}
	note->total++;
	if (note->advice != NULL && strcmp(note->advice, r->advice) != 0)
		note->advice = NULL;
	if (list_length(note->rows) < MAX_NOTE_ROWS)
	{
		NoteRow *row = palloc(sizeof(NoteRow));

		row->about = r->field != NULL ? psprintf("%s.%s", r->entity, r->field)
					 : r->relation == NULL || r->column == NULL
						 ? r->relation
						 : psprintf("%s.%s", r->relation, r->column);
		row->detail = r->detail;
		row->advice = r->advice;
		note->rows = lappend(note->rows, row);
	}
}

/* Is the page about it?  A risk that names nothing is about the whole database. */
static bool
is_about(const PageFilter *filter, const Risk *r)
{
	List *systems = r->owner == NULL ? r->systems : lappend(list_copy(r->systems), r->owner);

	if (r->entity == NULL && r->relation == NULL && r->systems == NIL)
		return true;
	return page_about_entity(filter, r->entity != NULL ? r->entity : r->relation) &&
		   page_about_systems(filter, systems);
}

/* What matters most first: shared data; severity; seen quarrels; many systems; many copies; then names. */
static int
compare_decisions(const ListCell *x, const ListCell *y)
{
	const Decision *a = lfirst(x);
	const Decision *b = lfirst(y);
	int a_first = a->kinds & -a->kinds;
	int b_first = b->kinds & -b->kinds;
	int names;

	if (a->crossing != b->crossing)
		return b->crossing - a->crossing;
	if (a->severity != b->severity)
		return a->severity - b->severity;
	if (a_first != b_first)
		return a_first - b_first;
	if (a->times != b->times)
		return a->times > b->times ? -1 : 1;
	if (list_length(a->systems) != list_length(b->systems))
		return list_length(b->systems) - list_length(a->systems);
	if (a->copies != b->copies)
		return b->copies - a->copies;
	names = strcmp(a->entity != NULL ? a->entity : a->relation,
				   b->entity != NULL ? b->entity : b->relation);
	if (names != 0 || a->field == NULL || b->field == NULL)
		return names != 0 ? names : (a->field != NULL) - (b->field != NULL);
	return strcmp(a->field, b->field);
}

/* Loads the decisions and the notes.  The map must be loaded. */
void
page_load_findings(PageMap *page)
{
	HASHCTL ctl = {.keysize = sizeof(char *),
				   .entrysize = sizeof(DecisionEntry),
				   .hash = hash_text,
				   .match = match_text,
				   .hcxt = CurrentMemoryContext};
	HTAB *hash = hash_create("ownership decisions of a page", 256, &ctl,
							 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	uint64 n = html_query(
		"SELECT r.severity, r.risk, r.entity, r.field, r.relation, r.column_name, r.systems, r.detail, "
		"r.advice, f.owner, c.source, c.n FROM (SELECT *, row_number() OVER () AS n FROM ownership.risks) r "
		"LEFT JOIN ownership.field_now f ON f.entity = r.entity AND f.name = r.field "
		"LEFT JOIN (SELECT c.entity, c.field, count(*) AS n, "
		"CASE WHEN count(t.source) = count(*) THEN min(t.source) END AS source "
		"FROM ownership.mirrored_column c LEFT JOIN ownership.mirrored_table t "
		"ON t.table_schema = c.table_schema AND t.table_name = c.table_name GROUP BY c.entity, c.field) c "
		"ON c.entity = r.entity AND c.field = r.field ORDER BY r.n");
	List *rest = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		Risk r = {.severity = sql_result_text(i, 1),
				  .risk = sql_result_text(i, 2),
				  .entity = sql_result_text(i, 3),
				  .field = sql_result_text(i, 4),
				  .relation = sql_result_text(i, 5),
				  .column = sql_result_text(i, 6),
				  .systems = sql_result_texts(i, 7),
				  .detail = sql_result_text(i, 8),
				  .advice = sql_result_text(i, 9),
				  .owner = sql_result_text(i, 10),
				  .source = sql_result_text(i, 11),
				  .copies = (int) sql_result_int64(i, 12)};
		int kind = decision_kind(r.risk, r.severity);

		CHECK_FOR_INTERRUPTS();
		if (!is_about(&page->filter, &r))
			continue;
		page->risks[severity_rank(r.severity)]++;
		if (kind >= 0)
			add_decision(page, hash, &r, kind);
		else
			add_note(page, &r);
	}
	list_sort(page->decisions, compare_decisions);
	/* of many, how often the quarrels were seen decides only among the first */
	if (list_length(page->decisions) > LOOKED_AT)
	{
		rest = list_copy_tail(page->decisions, LOOKED_AT);
		page->decisions = list_truncate(page->decisions, LOOKED_AT);
	}
	page_count_quarrels(page->decisions);
	list_sort(page->decisions, compare_decisions);
	page->decisions = list_concat(page->decisions, rest);
}
