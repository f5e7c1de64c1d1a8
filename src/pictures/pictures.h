/*
 * pictures.h
 *		The page and the diagrams: the map, its risks and its evidence for readers.
 */
#ifndef OWNERSHIP_PICTURES_H
#define OWNERSHIP_PICTURES_H

#include "executor/spi.h"
#include "lib/stringinfo.h"

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

/* SQL: a time as html_time_cell() takes it. */
#define TIME(column) "to_char(" column ", 'YYYY-MM-DD HH24:MI')"

/* SQL: a value, cut if it is long.  The tables contain whole values. */
#define SHORT(value) \
	"CASE WHEN length(" value ") > 80 THEN left(" value ", 77) || '...' ELSE " value " END"

/* SQL: a row's key as text for people. */
#define ROW_KEY(column)                                                     \
	"string_agg(key || ' ' || coalesce(value, 'null'), ', ' ORDER BY key) " \
	"FROM jsonb_each_text(CASE jsonb_typeof(" column ") WHEN 'object' THEN " column " END)"

/* html_table_head() with the names of the columns as arguments. */
#define TABLE_HEAD(out, caption, ...)                                \
	do                                                               \
	{                                                                \
		static const char *const columns_[] = {__VA_ARGS__};         \
		html_table_head(out, caption, lengthof(columns_), columns_); \
	} while (0)

/* The latest refused values that still differ from what is stored. */
typedef struct Disagreements
{
	bool readable; /* may the caller read evidence? */
	bool listed;   /* false: there is too much evidence to search, or it is not readable */
	SPITupleTable *table;
	uint64 n;  /* rows of the table */
	int total; /* all of them, in the table or not */
} Disagreements;

/* html.c */
extern void html_text(StringInfo out, const char *text);
extern void html_name(StringInfo out, const char *text);
extern void html_cell(StringInfo out, const char *text);
extern void html_number_cell(StringInfo out, const char *text);
extern void html_time_cell(StringInfo out, const char *text);
extern uint64 html_query(const char *sql);
extern void html_heading(StringInfo out, const char *id, const char *title);
extern void html_table_head(StringInfo out, const char *caption, int n, const char *const *columns);
extern void html_table_end(StringInfo out);
extern void html_section_end(StringInfo out);
extern bool html_may_read(StringInfo out, const char *relation);
extern char *html_value_of(SPITupleTable *table, uint64 row, int column);

/* svg.c */
extern void svg_picture(StringInfo out, const Picture *picture);

/* diagram.c */
extern Picture *picture_load(void);

/* page_matrix.c */
extern void page_matrix_section(StringInfo out, const Picture *picture);

/* page_tables.c */
extern Disagreements page_load_disagreements(void);
extern void page_disagreement_section(StringInfo out, const Disagreements *d);
extern void page_conflict_section(StringInfo out);
extern void page_waiting_section(StringInfo out);
extern void page_pinned_section(StringInfo out);
extern void page_age_section(StringInfo out);
extern void page_decision_section(StringInfo out);
extern void page_system_section(StringInfo out, const Picture *picture);

#endif /* OWNERSHIP_PICTURES_H */
