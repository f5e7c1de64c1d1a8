/*
 * pictures.h
 *		The page and the diagrams: the map, its risks and its evidence for readers.
 */
#ifndef OWNERSHIP_PICTURES_H
#define OWNERSHIP_PICTURES_H

#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "../base/base.h"

/*
 * Within this folder
 */

/* diagram.c: what a system is to an entity in a picture */
typedef enum PicturePart
{
	PART_OWNER,
	PART_WRITER,
	PART_INTRUDER,
	PART_READER
} PicturePart;

/* A system or an entity. */
typedef struct PictureNode
{
	char *name; /* system: "?" is unidentified; entity: NULL is all that have no node of their own */
	char *label;
	char *detail;  /* a second line of text, or NULL */
	bool alarming; /* unidentified, or with fields that have no owner */
} PictureNode;

/* A line between a system and an entity. */
typedef struct PictureEdge
{
	int system; /* index of the node */
	int entity; /* index of the node */
	PicturePart part;
	bool reads; /* in a diagram: the system reads the entity, whatever else it is to it */
	int fields; /* how many fields the line stands for; in a diagram: for its first part */
	char *label;
} PictureEdge;

/* The whole picture, nodes and edges in the order of names. */
typedef struct Picture
{
	int nsystems;
	PictureNode *systems;
	int nentities;
	PictureNode *entities;
	int nedges;
	PictureEdge *edges;
} Picture;

/* SQL: a time as html_time() takes it. */
#define TIME(column) "to_char(" column ", 'YYYY-MM-DD HH24:MI')"

/* SQL: how long ago a time is.  All ages on a page are seen from the same moment, the one in its head. */
#define AGE(column)                                                                           \
	"(SELECT CASE WHEN a >= 172800 THEN floor(a / 86400) || ' days ago' "                     \
	"WHEN a >= 7200 THEN floor(a / 3600) || ' hours ago' WHEN a >= 60 THEN floor(a / 60) || " \
	"' min ago' WHEN a IS NOT NULL THEN 'just now' END "                                      \
	"FROM (SELECT extract(epoch FROM now() - " column ")) x(a))"

/* SQL: a value, cut if it is long.  The tables contain whole values. */
#define SHORT(value) \
	"CASE WHEN length(" value ") > 80 THEN left(" value ", 77) || '...' ELSE " value " END"

/* SQL: a condition on a row of ownership.field or ownership.domain; older versions have no such column. */
#define SENSITIVE(row) "coalesce((to_jsonb(" row ") ->> 'sensitive')::boolean, false)"

/* SQL: the columns of a table whose values the page does not show, as text[]. */
#define HIDDEN_COLUMNS(schema, table)                                                      \
	"ARRAY(SELECT hm.column_name FROM ownership.mirrored_column hm "                       \
	"JOIN ownership.field hf ON hf.entity = hm.entity AND hf.name = hm.field "             \
	"LEFT JOIN ownership.domain hd ON hd.name = hf.domain WHERE hm.table_schema = " schema \
	" AND hm.table_name = " table " AND (" SENSITIVE("hf") " OR " SENSITIVE("hd") "))"

/* SQL: a row's key as text for people.  hidden: the columns whose values are not shown. */
#define ROW_KEY(column, hidden)                                                          \
	"string_agg(key || ' ' || CASE WHEN key = ANY (" hidden ") THEN '(not shown)' ELSE " \
	"coalesce(value, 'null') END, ', ' ORDER BY key) "                                   \
	"FROM jsonb_each_text(CASE jsonb_typeof(" column ") WHEN 'object' THEN " column " END)"

/* SQL: who wrote, of a row of evidence.  A steward needs no system. */
#define EVIDENCE_WRITER(c)           \
	"coalesce(" c ".system, CASE " c \
	".outcome WHEN 'overridden' THEN 'a steward' ELSE 'unidentified' END)"

/* SQL: the systems of record of a table's key: they create and delete its rows. */
#define KEY_OWNERS(schema, table)                                                             \
	"(SELECT string_agg(DISTINCT kf.owner, ', ') FROM ownership.mirrored_column km "          \
	"JOIN ownership.field_now kf ON kf.entity = km.entity AND kf.name = km.field AND kf.key " \
	"WHERE km.table_schema = " schema " AND km.table_name = " table ")"

/*
 * SQL: is the page about this field?  Parameters $1 and $2 are those of
 * page_add_filter().
 */
#define CHOSEN_FIELD(entity, field)                                                            \
	"(($1::text IS NULL OR " entity " LIKE $1) AND ($2::text[] IS NULL OR (" entity ", " field \
	") IN (SELECT fp.entity, fp.field FROM ownership.part fp WHERE fp.system = "               \
	"ANY ($2))))"

/* html_table_head() with the names of the columns as arguments. */
#define TABLE_HEAD(out, caption, ...)                                \
	do                                                               \
	{                                                                \
		static const char *const columns_[] = {__VA_ARGS__};         \
		html_table_head(out, caption, lengthof(columns_), columns_); \
	} while (0)

/* What a page is about. */
typedef struct PageFilter
{
	const char *entity; /* a pattern of entities; NULL: all */
	const char *system;
	const char *contact;
	List *systems; /* the system, or those of the contact, as char *; NIL: all */
} PageFilter;

/* A system, as people know it. */
typedef struct PageSystem
{
	const char *name;
	const char *shown; /* its title, else its name */
	const char *kind;
	const char *contact; /* NULL: nobody */
} PageSystem;

/* How many fields of an entity or of a group one system owns. */
typedef struct PageOwner
{
	const char *system;
	int fields;
	int by_default; /* of them: by the source of their tables */
} PageOwner;

/* The fields of an entity.  Local fields are counted for themselves. */
typedef struct PageEntity
{
	const char *name;
	int fields; /* that cross a system boundary */
	int local;
	int owned;
	int by_default;
	int crossing;		/* in a shared table, in tables of several sources, or in no table */
	int open;			/* that the page shows one by one */
	int decisions;		/* fields on which people must decide */
	const char *schema; /* of its tables; NULL: it has none */
	const char *source; /* of its tables; NULL: it has none, or they are shared */
	List *owners;		/* of PageOwner * */
} PageEntity;

/* What people must decide: a field with all that is wrong with it. */
typedef enum DecisionKind
{
	DECISION_CONTESTED,
	DECISION_UNOWNED,
	DECISION_UNOWNED_KEY,
	DECISION_UNDECLARED,
	DECISION_SILENT,
	DECISION_DRIFTING,
	DECISION_OUT_OF_BOUNDS,
	DECISION_PINNED,
	DECISION_BLURRED,
	DECISION_KINDS
} DecisionKind;

typedef struct Decision
{
	const char *entity;
	const char *field;	  /* NULL: it is about the rows of a table */
	const char *relation; /* that table */
	int severity;		  /* 0 is high, 2 is low */
	int kinds;			  /* a bit for each DecisionKind */
	const char *detail;	  /* of the first of them, as the view risks has it */
	List *systems;		  /* that the risks name, as char * */
	List *writers;		  /* of them: those that write the field, or are declared to */
	const char *owner;
	const char *source; /* of all its tables; NULL: it is in none, or in one that is shared */
	int copies;			/* columns that contain it */
	bool crossing; /* more than one source has to do with the field's entity */
	/* of those that are shown */
	const char *label;
	/* of the first */
	int64 times; /* writes of others, as seen, and refused ones */
	int number;	 /* of its card; 0: it has none */
} Decision;

/* One kind of risks that need an account in the database. */
typedef struct Note
{
	const char *severity;
	const char *risk;
	int total;
	const char *advice; /* of all; NULL: they differ */
	List *rows;			/* the first, as NoteRow * */
} Note;

typedef struct NoteRow
{
	const char *about; /* a field, a column, a table, or NULL */
	const char *detail;
	const char *advice;
} NoteRow;

/* The latest refused values that still differ from what is stored. */
typedef struct Disagreements
{
	bool readable; /* may the caller read evidence? */
	bool listed;   /* false: there is too much evidence to search, or it is not readable */
	SPITupleTable *table;
	uint64 n;  /* rows of the table */
	int total; /* all of them, in the table or not */
} Disagreements;

/* Who writes a field.  Times are as TIME() has them, so that the smaller text is the earlier one. */
typedef struct CardWriter
{
	const char *name; /* a system, "a steward" or "unidentified" */
	bool owns;
	const char *writes;
	const char *refused;
	const char *last; /* NULL: not known */
	const char *last_age;
} CardWriter;

/* What a card shows below its sentence; each HTML, or empty. */
typedef struct Card
{
	const Decision *decision;
	bool sensitive;
	bool personal;	   /* the guide takes it for data of persons */
	List *writers;	   /* of CardWriter * */
	const char *since; /* of the quarrel; NULL: not known */
	const char *since_age;
	bool has_evidence;
	const char *example_id; /* number of the latest evidence; NULL: none */
	StringInfoData example;
	StringInfoData guide;
	StringInfoData readers;
	StringInfoData definitions;
} Card;

/* SQL: the fields of cards, numbered from 1; parameters of page_add_fields(). */
#define CARD_FIELDS "unnest($1, $2) WITH ORDINALITY g(entity, field, i) "

/* What is read once and shown in several parts of the page. */
typedef struct PageMap
{
	PageFilter filter;
	int nsystems;
	PageSystem *systems; /* by name */
	int nentities;
	PageEntity *entities; /* by name */
	/* sums of the entities */
	int fields;
	int owned;
	int by_default;
	/* the view risks */
	int risks[3];	 /* by severity */
	List *decisions; /* of Decision *, what matters most first */
	List *notes;	 /* of Note * */
	Disagreements disagreements;
	Picture *picture;
} PageMap;

/* html.c */
extern void html_text(StringInfo out, const char *text);
extern void html_name(StringInfo out, const char *text);
extern void html_cell(StringInfo out, const char *text);
extern void html_number_cell(StringInfo out, const char *text);
extern void html_time_cell(StringInfo out, const char *text);
extern void html_time(StringInfo out, const char *text, const char *age);
extern uint64 html_query(const char *sql);
extern void html_heading(StringInfo out, const char *id, const char *title);
extern void html_table_head(StringInfo out, const char *caption, int n, const char *const *columns);
extern void html_table_end(StringInfo out);
extern void html_section_end(StringInfo out);
extern bool html_can_read(const char *relation);
extern bool html_may_read(StringInfo out, const char *relation);
extern char *html_value_of(SPITupleTable *table, uint64 row, int column);

/* svg.c */
extern void svg_picture(StringInfo out, const Picture *picture);
extern int svg_height(const Picture *picture);

/* diagram.c */
extern Picture *picture_load(void);

/* page_filter.c */
extern void page_load_filter(PageFilter *filter, char *entity, char *system, char *contact);
extern void page_add_filter(Parameters *p, const PageFilter *filter);
extern bool page_is_filtered(const PageFilter *filter);
extern bool page_about_entity(const PageFilter *filter, const char *entity);
extern bool page_about_systems(const PageFilter *filter, List *systems);
extern void page_filter_words(StringInfo out, const PageFilter *filter);

/* page_map.c */
extern void page_load_map(PageMap *page);
extern PageEntity *page_find_entity(const PageMap *page, const char *entity);
extern const PageSystem *page_find_system(const PageMap *page, const char *system);
extern void page_system_name(StringInfo out, const PageMap *page, const char *system);
extern void page_owners(StringInfo out, const PageMap *page, List *owners);

/* page_findings.c */
extern void page_load_findings(PageMap *page);

/* page_words.c */
extern void page_decision_words(StringInfo out, const PageMap *page, const Decision *d);
extern void page_decision_title(StringInfo out, const Decision *d);
extern void page_load_labels(List *decisions);

/* page_decide.c */
extern void page_decide_section(StringInfo out, PageMap *page);

/* page_guide.c */
extern void page_add_fields(Parameters *p, List *decisions);
extern Card *page_card_of(Card *cards, uint64 row);
extern void page_load_domains(Card *cards, List *decisions, const PageMap *page);
extern void page_load_suggestions(Card *cards, List *decisions, const PageMap *page);
extern void page_load_readers(Card *cards, List *decisions, const PageMap *page);
extern void page_load_values(Card *cards, List *decisions);
extern void page_load_definitions(Card *cards, List *decisions);

/* page_cards.c */
extern void page_cards(StringInfo out, const PageMap *page, List *decisions);
extern void page_count_quarrels(List *decisions);

/* page_contacts.c */
extern void page_contact_section(StringInfo out, const PageMap *page);

/* page_fields.c */
extern void page_field_section(StringInfo out, const PageMap *page);

/* page_landing.c */
extern void page_landing_section(StringInfo out, const PageMap *page);

/* page_picture.c */
extern void page_picture_section(StringInfo out, const PageMap *page);

/* page_evidence.c */
extern void page_load_disagreements(PageMap *page);
extern void page_disagreement_section(StringInfo out, const PageMap *page);
extern void page_conflict_section(StringInfo out, const PageMap *page);

/* page_waiting.c */
extern void page_waiting_section(StringInfo out, const PageMap *page);
extern void page_pinned_section(StringInfo out, const PageMap *page);

/* page_age.c */
extern void page_age_section(StringInfo out, const PageMap *page);

/* page_systems.c */
extern void page_decision_log_section(StringInfo out, const PageMap *page);
extern void page_system_section(StringInfo out, const PageMap *page);

/* page_notes.c */
extern void page_note_section(StringInfo out, const PageMap *page);

#endif /* OWNERSHIP_PICTURES_H */
