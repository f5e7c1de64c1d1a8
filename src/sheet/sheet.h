/*
 * sheet.h
 *		The map as a spreadsheet.
 */
#ifndef OWNERSHIP_SHEET_H
#define OWNERSHIP_SHEET_H

#include "ctype.h"
#include "nodes/execnodes.h"
#include "utils/jsonb.h"

/*
 * Within this folder
 */

/* sheet.c: the spreadsheet */
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
	SHEET_DECIDED_ON
} SheetCell;

#define SHEET_CELLS (SHEET_DECIDED_ON + 1)

typedef struct SheetRow
{
	char *cells[SHEET_CELLS]; /* as in the file; NULL: blank */
	bool key_is_open;		  /* no cell says whether it is a key */
	/* taken from the cells by sheet_store() */
	char *entity;
	char *field;
	char *owner;
	List *writers;
} SheetRow;

typedef void (*SheetCheck)(const SheetRow *row);

/* A row of the file. */
typedef struct Record
{
	int line; /* where it begins */
	bool faulty;
	SheetRow row;
} Record;

typedef struct Import
{
	bool dry_run;
	int header_line; /* 0: the first that is not blank */
	char delimiter;
	int line;				 /* where the record begins that is being read */
	bool given[SHEET_CELLS]; /* there is a column for it */
	List *records;			 /* of Record * */
	List *problems;			 /* of Finding * */
	List *changes;			 /* of Finding * */
	/* what a cell may name: of Named * */
	List *systems;
	List *domains;
} Import;

/* The text, and how far COPY has read it: its callback has no argument. */
typedef struct Source
{
	const char *next;
	const char *end;
	int lines; /* that were handed out */
} Source;

/* One line of the result. */
typedef struct Finding
{
	int line;
	int number; /* in the order in which they were found */
	char *field;
	char *text;
} Finding;

/* sheet.c */
extern const char *const sheet_headers[SHEET_CELLS];
extern char *sheet_cell(const SheetRow *row, SheetCell cell);
extern const SheetCheck sheet_checks[];
extern void sheet_store(SheetRow *row);

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
