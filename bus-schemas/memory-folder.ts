/** Linux keeps the files of this folder in memory. In a container it has only 64 MB by default. */
export const MEMORY_FOLDER = '/dev/shm';
