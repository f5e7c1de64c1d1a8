/*
 * sheet.h
 *		The map as a spreadsheet: the view ownership.sheet and import_sheet().
 */
#ifndef OWNERSHIP_SHEET_H
#define OWNERSHIP_SHEET_H

#include "lib/stringinfo.h"
#include "nodes/execnodes.h"
#include "utils/jsonb.h"

#include "../base/base.h"

/* export_psql.c */
extern char *export_psql(List *entities);

/*
 * Within this folder
 */

/* The cells of a row, in the order of the view's columns. */
typedef enum SheetCell
{
	SHEET_ENTITY,
	SHEET_FIELD,
	SHEET_DOMAIN,
	SHEET_OWNER,
	SHEET_READERS,
	SHEET_WRITERS,
	SHEET_COLUMNS,
	SHEET_POLICY,
	SHEET_KEY,
	SHEET_LOCAL,
	SHEET_RATIONALE,
	SHEET_DECIDED_BY,
	SHEET_DECIDED_ON,
	SHEET_LABEL
} SheetCell;

#define SHEET_CELLS (SHEET_LABEL + 1)

/* What a header may mean besides a cell. */
enum
{
	HEADER_TABLE = SHEET_CELLS, /* the table of the columns in SHEET_COLUMNS */
	HEADER_TOLD,				/* what worksheet() tells the reader; not imported */
	HEADER_MEANINGS
};

/* Cells of a row that count; PostgreSQL has no more columns. */
#define MAX_CELLS 1600

/* The header is searched for in so many rows: there may be a title above it. */
#define MAX_TITLE_ROWS 60

/* A cell of names is no longer than this. */
#define MAX_NAMES_CELL 10000

/* A row of a text, as csv.c, pipes.c and markup.c read it. */
typedef struct TextRow
{
	int line;		  /* the line on which it begins */
	int ncells;		  /* also those beyond MAX_CELLS, which are not in cells */
	char **cells;	  /* NULL: nothing stands there, not even quotes */
	int filled;		  /* cells that are not blank */
	int last_filled;  /* the last of them, counted from 1 */
	bool heading;	  /* a heading outside a table: its only cell */
	bool after_blank; /* blank lines come before it */
} TextRow;

/* What a file says above rows about the entity of these rows: a heading, or a cell of a row above. */
typedef struct Section
{
	char *entity;
	int line;
	bool heading;
	bool told; /* the caller was told that rows take the entity from it */
} Section;

/* Names that the rows of one statement contain, and that were found on the map. */
typedef struct SheetFound
{
	struct HTAB *systems;
	struct HTAB *domains;
} SheetFound;

/* One field, as a row of the spreadsheet. */
typedef struct SheetRow
{
	SheetFound *found;		  /* NULL: nothing is remembered */
	char *cells[SHEET_CELLS]; /* as in the file; NULL: blank */
	bool key_is_open;		  /* the file has no column SHEET_KEY */
	/* sheet_store() takes these from the cells */
	char *entity;
	char *field;
	char *owner;   /* NULL: none */
	List *writers; /* names of systems, from the cells SHEET_WRITERS and SHEET_OWNER */
} SheetRow;

/* A check of a cell of a row: raises an error if the cell is wrong. */
typedef struct SheetCheck
{
	SheetCell cell;
	void (*check)(const SheetRow *row); /* NULL: the end of the list */
} SheetCheck;

/* A row of the file. */
typedef struct Record
{
	int line;		  /* the line on which it begins */
	bool faulty;	  /* it has a problem and is not stored */
	bool decides;	  /* it changes its field */
	bool whole;		  /* it is for an entity: its owner is that of the fields that have none */
	bool guessed;	  /* whole: the name of the entity is in the cell of the field */
	uint32 given;	  /* bits of the cells for which its table has a column */
	Section *section; /* what stands above it; NULL: nothing */
	SheetRow row;
} Record;

/* What a text means on the map: a field, as entity.name, or an entity. */
typedef struct Known
{
	const char *text; /* key */
	char *entity;	  /* NULL: several entities or fields, which differ in case */
	char *name;
} Known;

/* The names of the map; see known.c. */
typedef struct MapNames MapNames;

/* Names and titles of systems or of domains; see resolve.c. */
typedef struct Names Names;

/* One call of import_sheet(). */
typedef struct Import
{
	bool dry_run;
	char *entity; /* of rows that name none; NULL: not given */
	/* the headers of the table that is being read */
	const TextRow *header; /* NULL: none was found yet */
	int width;
	int places[HEADER_MEANINGS]; /* by meaning: the column of the file, from 0; -1: none */
	/* those of the whole file */
	bool given[SHEET_CELLS];	/* the file has a column for the cell */
	char *headers[SHEET_CELLS]; /* its header, as the file has it */
	bool unnamed[MAX_CELLS];	/* columns without a header that have cells */
	List *records;				/* of Record * */
	List *problems;				/* of Finding * */
	List *changes;				/* of Finding * */
	MapNames *names;			/* of fields and entities */
	/* names and titles that a cell may contain */
	Names *systems;
	Names *domains;
} Import;

/* One row of the result of import_sheet(): a problem or a change. */
typedef struct Finding
{
	int line;	 /* 0: no line of the file */
	int number;	 /* the order in which findings were made */
	char *field; /* NULL: no single field */
	char *text;
} Finding;

/* What the map has of a field. */
typedef struct SheetState
{
	bool fresh;	   /* the map has no such field */
	List *readers; /* of char * */
	List *writers;
	List *columns; /* as names_column_label() writes them */
	/* its row of the view ownership.sheet, if sheet_read() was asked for it */
	char *cells[SHEET_CELLS];
} SheetState;

/* Rows that sheet_store_set() stores. */
typedef struct SheetSet
{
	int n;
	SheetRow **rows;
	void *arg; /* of the functions, which are called for one row each */
	/* before the row is stored; NULL: nothing is to be done */
	void (*prepare)(void *arg, int row, const SheetState *before);
	/* the row was stored with others; NULL: nothing is to be done */
	void (*stored)(void *arg, int row, const SheetState *before, const SheetState *after);
	/* stores the row */
	void (*alone)(void *arg, int row);
} SheetSet;

/* sheet.c */
extern const char *const sheet_headers[SHEET_CELLS];
extern char *sheet_cell(const SheetRow *row, SheetCell cell);
extern List *sheet_list(const SheetRow *row, SheetCell cell);
extern bool sheet_bool(const SheetRow *row, SheetCell cell);
extern void sheet_take_owner(SheetRow *row);
extern List *sheet_default_columns(const char *entity, const char *field);
extern SheetFound *sheet_new_found(void);
extern const SheetCheck sheet_checks[];
extern void sheet_store(SheetRow *row);

/* state.c */
extern SheetState *sheet_read(SheetRow **rows, int n, bool cells);

/* references.c */
extern bool reference_systems(List *names);
extern bool reference_domains(List *names);
extern bool reference_fields(List *entities, List *names);
extern bool reference_tables(List *schemas, List *tables);

/* fields.c */
extern void sheet_insert_rows(const char *sql, Parameters *p, bool checked);
extern void sheet_store_fields(SheetRow **rows, const SheetState *before, int n);

/* groups.c */
extern void sheet_check_groups(Import *import);

/* store.c */
extern void sheet_store_set(SheetSet *set);

/* findings.c */
extern char *sheet_fold(const char *string);
extern char *sheet_trim(const char *start, const char *end);
extern char *sheet_trimmed(const char *text);
extern bool sheet_is_blank(const char *text);
extern Finding *finding_new(int line, const char *field, char *text);
extern void finding_add(List **findings, int line, const char *field, char *text);
extern char *finding_record_field(const Record *r);
extern void finding_add_problem(Import *import, Record *r, char *text);
extern void finding_add_cell_problem(Import *import, Record *r, SheetCell cell, char *text);
extern char *finding_error_text(const ErrorData *error);
extern int finding_by_line(const ListCell *a, const ListCell *b);
extern void finding_return(ReturnSetInfo *rsinfo, List *findings, bool problems);

/* decode.c */
extern char *decode_bytes(const char *bytes, int len);
extern char *decode_text(char *text);

/* csv.c */
extern void row_add(TextRow *row, char *cell);
extern List *csv_rows(Import *import, const char *text, char delimiter, int most);

/* markup.c */
extern void markup_append(StringInfo buf, const char *text, int len);
extern List *markup_rows(const char *text, int most);

/* pipes.c */
extern bool pipes_are_drawn(const char *text);
extern List *pipes_rows(Import *import, const char *text, int most);

/* header.c */
extern int header_score(const TextRow *row);
extern bool header_is_again(const TextRow *row, const TextRow *header);
extern void header_read(Import *import, const TextRow *row);

/* file.c */
extern void file_read(Import *import, char *text);

/* texts.c */
extern struct HTAB *resolve_hash(Size entry);

/* resolve.c */
extern Names *resolve_load_names(const char *sql);
extern bool resolve_is_name(const Names *names, const char *text);
extern void resolve_record(Import *import, Record *r);

/* known.c */
extern MapNames *known_load(void);
extern Known *known_field(const MapNames *names, const char *entity, const char *field);
extern char *known_entity_name(const MapNames *names, char *entity);
extern bool known_is_entity(const MapNames *names, const char *text);
extern bool known_is_field(const MapNames *names, const char *text);

/* expand.c */
extern void expand_records(Import *import);

/* whole.c */
extern void whole_owners(Import *import);

#endif /* OWNERSHIP_SHEET_H */
