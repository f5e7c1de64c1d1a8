/*
 * ownership.h
 *		What init.c calls of the other files at the roof.
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
