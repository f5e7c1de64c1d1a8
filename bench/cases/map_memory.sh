begin_case map_memory 'Memory of a session for the map of a table' \
	"One session writes one row of each of some hundred guarded tables of ten columns, own columns and foreign ones; what its memory contexts of the extension grew for each table."
must absolute bytes ownership '' '<=' 9216 '≤ 9 kB a table'

map_database 500
DATABASE=map_500
round=0
x=0
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	record ownership bytes "$(sql -f bench/cases/map_memory.sql | tail -n 1)"
done
