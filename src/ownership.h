/*
 * ownership.h
 *		The functions of this folder, the roof, that init.c calls.
 */
#ifndef OWNERSHIP_ROOF_H
#define OWNERSHIP_ROOF_H

/*
 * Within this folder
 */

/* invalidate.c */
extern void invalidate_register(void);

/* hooks.c */
extern void hooks_install(void);

#endif /* OWNERSHIP_ROOF_H */
