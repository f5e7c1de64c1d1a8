/*
 * sheet.h
 *		The map as a spreadsheet: the view ownership.sheet and import_sheet().
 */
#ifndef OWNERSHIP_SHEET_H
#define OWNERSHIP_SHEET_H

#include "nodes/execnodes.h"
#include "utils/jsonb.h"

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

/* One field, as a row of the spreadsheet. */
typedef struct SheetRow
{
	char *cells[SHEET_CELLS]; /* as in the file; NULL: blank */
	bool key_is_open;		  /* the file has no column SHEET_KEY */
	/* sheet_store() takes these from the cells */
	char *entity;
	char *field;
	char *owner;   /* NULL: none */
	List *writers; /* names of systems, from the cells SHEET_WRITERS and SHEET_OWNER */
} SheetRow;

/* Raises an error if one cell of the row is wrong. */
typedef void (*SheetCheck)(const SheetRow *row);

/* A row of the file. */
typedef struct Record
{
	int line;	  /* the line on which it begins */
	bool faulty;  /* it has a problem and is not stored */
	bool decides; /* it changes its field */
	SheetRow row;
} Record;

/* One call of import_sheet(). */
typedef struct Import
{
	bool dry_run;
	int header_line; /* 0: the first line that is not blank */
	char delimiter;
	int line;				 /* the line on which the record begins that is being read */
	bool given[SHEET_CELLS]; /* the file has a column for the cell */
	List *records;			 /* of Record * */
	List *problems;			 /* of Finding * */
	List *changes;			 /* of Finding * */
	/* names and titles that a cell may contain: lists of Named * */
	List *systems;
	List *domains;
} Import;

/* The text of the file, and how far COPY has read it. */
typedef struct Source
{
	const char *next;
	const char *end;
	int lines; /* that COPY has received */
} Source;

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
	/* its row of the view ownership.sheet; only sheet_read() sets it */
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
extern const SheetCheck sheet_checks[];
extern void sheet_store(SheetRow *row);

/* state.c */
extern SheetState *sheet_read(SheetRow **rows, int n);
extern SheetState *sheet_read_lists(SheetRow **rows, int n);

/* store.c */
extern void sheet_store_set(SheetSet *set);

/* findings.c */
extern char *sheet_fold(const char *string);
extern char *sheet_trim(const char *start, const char *end);
extern bool sheet_is_blank(const char *text);
extern Finding *finding_new(int line, const char *field, char *text);
extern char *finding_record_field(const Record *r);
extern void finding_add_problem(Import *import, Record *r, char *text);
extern char *finding_error_text(const ErrorData *error);
extern int finding_by_line(const ListCell *a, const ListCell *b);
extern void finding_return(ReturnSetInfo *rsinfo, List *findings, bool problems);

/* file.c */
extern Source sheet_source;
extern void file_find_header(Import *import, const char *text);
extern bool file_read_records(void *arg);

/* resolve.c */
extern List *resolve_load_named(const char *sql);
extern void resolve_record(Import *import, Record *r);
extern void resolve_fields(Import *import);

#endif /* OWNERSHIP_SHEET_H */
