/* ownership: from 0.2.0 to 0.3.0 */

\echo Use "ALTER EXTENSION ownership UPDATE" to load this file. \quit
