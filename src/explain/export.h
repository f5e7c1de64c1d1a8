/*
 * export.h
 *		The map in the formats of other tools: export().
 */
#ifndef OWNERSHIP_EXPORT_H
#define OWNERSHIP_EXPORT_H

#include "nodes/pg_list.h"

/*
 * Within this folder
 */

/* export_contract.c */
extern char *export_odcs(List *entities);
extern char *export_dbt(List *entities);

#endif /* OWNERSHIP_EXPORT_H */
