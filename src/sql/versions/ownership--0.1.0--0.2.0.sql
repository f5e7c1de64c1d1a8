/* ownership: from 0.1.0 to 0.2.0 */

\echo Use "ALTER EXTENSION ownership UPDATE" to load this file. \quit
