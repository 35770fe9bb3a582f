"""What the seller's pages say, in French and in English."""

TEXTS: dict[str, tuple[str, str]] = {
    # The form
    "submit.title": ("Proposer un produit", "Submit a product"),
    "submit.lead": (
        "Décrivez votre produit : sa catégorie vous est proposée aussitôt, et c’est vous qui décidez.",
        "Describe your product: a category is proposed at once, and you decide.",
    ),
    "submit.designation": ("Titre", "Title"),
    "submit.designation_hint": (
        "Ce que c’est, la marque, le modèle : « Piscine ronde Intex 305 cm ». {most} caractères au plus.",
        "What it is, brand, model: “Intex round pool 305 cm”. At most {most} characters.",
    ),
    "submit.description": ("Description (facultative)", "Description (optional)"),
    "submit.description_hint": (
        "Elle aide à trouver la bonne catégorie. {most} caractères au plus.",
        "It helps to find the right category. At most {most} characters.",
    ),
    "submit.reference": ("Votre référence (facultative)", "Your reference (optional)"),
    "submit.reference_hint": (
        "Celle de votre catalogue. {most} caractères au plus.",
        "The one of your catalogue. At most {most} characters.",
    ),
    "submit.send": ("Envoyer", "Send"),
    "submit.another": ("Proposer un autre produit", "Submit another product"),
    "submit.open": ("Voir la fiche du produit", "Open the product’s page"),
    "submit.sent": ("Votre produit n° {id:id} est enregistré.", "Your product no. {id:id} is stored."),
    "submit.uploading": (
        "L’image est encore en cours d’envoi : un instant.",
        "The picture is still being sent: a moment.",
    ),
    "submit.missing_designation": ("Le titre est obligatoire.", "The title is missing."),
    "submit.missing_image": (
        "L’image est obligatoire : ajoutez une photo du produit.",
        "The picture is missing: add a photo of the product.",
    ),
    "submit.too_long": (
        "Trop long : {count} caractères, {most} au plus.",
        "Too long: {count} characters, at most {most}.",
    ),
    "submit.count": ("{count} / {most}", "{count} / {most}"),
    "submit.import_instead": ("Plusieurs produits ? Importez un fichier.", "Several products? Import a file."),
    # The picture
    "picture.label": ("Image du produit", "Picture of the product"),
    "picture.label_optional": ("Image du produit (facultative)", "Picture of the product (optional)"),
    "picture.limits": (
        "JPEG, PNG, WebP, GIF, BMP ou TIFF, {most} Mo au plus. Déposez-la ici, collez-la (Ctrl + V) ou choisissez-la.",
        "JPEG, PNG, WebP, GIF, BMP or TIFF, at most {most} MB. Drop it here, paste it (Ctrl + V) or choose it.",
    ),
    "picture.private": (
        "Le lieu et la date de la prise de vue sont effacés de l’image.",
        "Place and time of the shot are removed from the picture.",
    ),
    "picture.choose": ("Choisir une image", "Choose a picture"),
    "picture.camera": ("Prendre une photo", "Take a photo"),
    "picture.remove": ("Retirer l’image", "Remove the picture"),
    "picture.preview": ("Aperçu de l’image du produit", "Preview of the product’s picture"),
    "picture.of": ("Image de « {designation} »", "Picture of “{designation}”"),
    "picture.none": ("Sans image", "No picture"),
    "picture.not_allowed": (
        "Ce fichier n’est pas accepté : JPEG, PNG, WebP, GIF, BMP ou TIFF, {most} Mo au plus.",
        "This file is not accepted: JPEG, PNG, WebP, GIF, BMP or TIFF, at most {most} MB.",
    ),
    "file.busy": ("Envoi du fichier…", "Sending the file…"),
    "file.lost": (
        "Le fichier n’est pas arrivé. Essayez encore une fois.",
        "The file did not arrive. Try once more.",
    ),
    # The decision
    "decision.waiting": ("Enregistré. La catégorie arrive…", "Stored. The category is on its way…"),
    "decision.waiting_long": (
        "Le service de classement ne répond pas en ce moment. Votre produit est bien enregistré : il sera classé dès "
        "que le service sera de retour, et cette page le montrera d’elle-même.",
        "The prediction service does not answer at the moment. Your product is safely stored: it will be classified "
        "as soon as the service is back, and this page will show it by itself.",
    ),
    "decision.proposed": ("Catégorie proposée", "Proposed category"),
    "decision.confirmed": ("Catégorie que vous avez retenue", "Category that you settled on"),
    "decision.confirmed_admin": ("Catégorie retenue par le vendeur", "Category that the seller settled on"),
    "decision.accepted": ("Catégorie validée par un administrateur", "Category accepted by an administrator"),
    "decision.because.low_confidence": (
        "Le modèle n’est pas assez sûr ({confidence:%}) : confirmez la catégorie ou choisissez-en une autre.",
        "The model is not sure enough ({confidence:%}): confirm the category or choose another one.",
    ),
    "decision.because.text_and_picture_disagree": (
        "Le texte et l’image ne parlent pas du même produit : confirmez la catégorie ou choisissez-en une autre.",
        "Text and picture seem to speak of different products: confirm the category or choose another one.",
    ),
    "decision.because.category_missing": (
        "Aucune des 27 catégories ne semble convenir : un administrateur va regarder. "
        "Vous pouvez choisir la plus proche.",
        "None of the 27 categories seems to fit: an administrator will look. You can choose the nearest one.",
    ),
    "decision.because.seller_disagrees": (
        "Votre choix diffère de celui du modèle : un administrateur va regarder.",
        "Your choice differs from the model’s: an administrator will look.",
    ),
    "decision.because.contradiction": (
        "Un autre produit avec le même texte est dans une autre catégorie : un administrateur va regarder.",
        "Another product with the same text is in another category: an administrator will look.",
    ),
    "decision.because.failed": (
        "Le classement automatique n’a pas été possible : choisissez la catégorie vous-même.",
        "Automatic classification was not possible: choose the category yourself.",
    ),
    "decision.failed_why": ("Raison : {reason}", "Reason: {reason}"),
    "decision.confirm": ("Confirmer", "Confirm"),
    "decision.or": ("Ou bien, en un clic :", "Or, with one click:"),
    "decision.runner_up": ("{category} ({confidence:%})", "{category} ({confidence:%})"),
    "decision.faint": ("{category} (moins de 1 %)", "{category} (less than 1%)"),
    "decision.other": ("Choisir une autre catégorie", "Choose another category"),
    "decision.choose": ("Retenir cette catégorie", "Take this category"),
    "decision.none": ("Aucune ne convient", "None of them fits"),
    "decision.none_title": ("Aucune des 27 catégories ne convient ?", "None of the 27 categories fits?"),
    "decision.none_hint": (
        "Dites en quelques mots ce qu’est le produit : un administrateur regardera.",
        "Say in a few words what the product is: an administrator will look.",
    ),
    "decision.none_comment": ("Ce qu’est le produit", "What the product is"),
    "decision.none_send": ("Transmettre", "Pass on"),
    "decision.none_sent": (
        "Merci. Un administrateur va chercher la bonne place pour ce produit.",
        "Thank you. An administrator will look for the right place for this product.",
    ),
    "decision.saved": ("Catégorie enregistrée : {category}.", "Category stored: {category}."),
    "decision.in_review": ("Un administrateur vérifiera ce choix.", "An administrator will check this choice."),
    "decision.rejected": ("Renvoyé par un administrateur", "Sent back by an administrator"),
    "decision.rejected_why": ("Sa raison : {reason}", "The reason: {reason}"),
    "decision.send_again": ("Modifier et envoyer de nouveau", "Edit and send again"),
    "decision.withdrawn": ("Ce produit a été retiré de la vente.", "This product has been withdrawn."),
    # The rating
    "rating.title": ("La proposition était-elle bonne ?", "Was the proposal good?"),
    "rating.label": ("Note de 1 à 5", "Rating from 1 to 5"),
    "rating.comment": ("Un commentaire (facultatif)", "A comment (optional)"),
    "rating.send": ("Envoyer la note", "Send the rating"),
    "rating.missing": ("Choisissez d’abord une note de 1 à 5.", "Choose a rating from 1 to 5 first."),
    "rating.thanks": ("Merci, votre note est enregistrée.", "Thank you, your rating is stored."),
    # My products
    "products.title": ("Mes produits", "My products"),
    "products.all": ("Tous", "All"),
    "products.count": ("{state} ({count})", "{state} ({count})"),
    "products.many": ("{state} ({count} et plus)", "{state} ({count} or more)"),
    "products.search": ("Rechercher un titre, une description, un numéro", "Search a title, a description, a number"),
    "products.category": ("Catégorie", "Category"),
    "products.states": ("Filtrer par état", "Filter by state"),
    "products.empty": (
        "Vous n’avez pas encore de produit. Proposez-en un, ou importez tout un fichier : chacun reçoit sa catégorie.",
        "You have no products yet. Submit one, or import a whole file: each gets its category.",
    ),
    "products.nothing": (
        "Aucun produit ne correspond. Changez la recherche ou retirez les filtres.",
        "No product matches. Change the search or remove the filters.",
    ),
    "products.clear": ("Retirer les filtres", "Remove the filters"),
    "products.submit": ("Proposer un produit", "Submit a product"),
    "products.import": ("Importer un fichier", "Import a file"),
    "products.no_category": ("Pas encore de catégorie", "No category yet"),
    "products.rest": ("Modifié {when}", "Changed {when}"),
    # One product
    "product.title": ("Produit n° {id:id}", "Product no. {id:id}"),
    "product.back": ("Retour à mes produits", "Back to my products"),
    "product.back_admin": ("Retour à la recherche", "Back to the search"),
    "product.seller": ("Vendeur", "Seller"),
    "product.reference": ("Référence", "Reference"),
    "product.created": ("Proposé le", "Submitted"),
    "product.updated": ("Modifié le", "Changed"),
    "product.no_description": ("Sans description.", "No description."),
    "product.edit": ("Modifier", "Edit"),
    "product.edit_title": ("Modifier le produit", "Edit the product"),
    "product.edit_hint": (
        "Un texte ou une image qui change est classé de nouveau.",
        "A changed text or picture is classified again.",
    ),
    "product.save": ("Enregistrer", "Save"),
    "product.save_again": ("Enregistrer et envoyer de nouveau", "Save and send again"),
    "product.saved": ("Modifications enregistrées.", "Changes stored."),
    "product.cancel": ("Annuler", "Cancel"),
    "product.conflict": (
        "Ce produit a changé entre-temps : vos modifications ne sont pas encore enregistrées. Voici ce qui est "
        "enregistré maintenant ; enregistrez de nouveau pour le remplacer.",
        "This product has changed in the meantime: your changes are not stored yet. This is what is stored now; "
        "save again to replace it.",
    ),
    "product.withdraw": ("Retirer le produit", "Withdraw the product"),
    "product.withdraw_title": ("Retirer ce produit ?", "Withdraw this product?"),
    "product.withdraw_hint": (
        "Il quitte la vente et ne peut plus être modifié. Son historique reste.",
        "It leaves the marketplace and can no longer be changed. Its history remains.",
    ),
    "product.withdraw_yes": ("Oui, le retirer", "Yes, withdraw it"),
    "product.withdrawn": ("Le produit est retiré.", "The product is withdrawn."),
    "product.history": ("Historique", "History"),
    "product.history_empty": (
        "Rien encore : le produit attend son classement.",
        "Nothing yet: the product waits for its classification.",
    ),
    "product.predicted": (
        "Le modèle propose « {category} » ({confidence:%})",
        "The model proposes “{category}” ({confidence:%})",
    ),
    "product.predicted_detail": (
        "Modèle {version}, {seconds} s, d’après {rests_on}",
        "Model {version}, {seconds} s, from {rests_on}",
    ),
    "product.then": ("Ensuite : {categories}", "Then: {categories}"),
    "product.rests_on.text": ("le texte", "the text"),
    "product.rests_on.image": ("l’image", "the picture"),
    "product.rests_on.both": ("le texte et l’image", "text and picture"),
    "product.said.confirm": ("{by} confirme « {after} »", "{by} confirms “{after}”"),
    "product.said.choose": ("{by} choisit « {after} »", "{by} chooses “{after}”"),
    "product.said.missing": ("{by} ne trouve aucune catégorie qui convienne", "{by} finds no category that fits"),
    "product.said.rate": ("{by} note la proposition {rating} sur 5", "{by} rates the proposal {rating} out of 5"),
    "product.said.accept": ("{by} valide « {after} »", "{by} accepts “{after}”"),
    "product.said.fix": ("{by} corrige en « {after} » et valide", "{by} corrects to “{after}” and accepts"),
    "product.said.reject": ("{by} renvoie le produit", "{by} sends the product back"),
    "product.said.skip": ("{by} passe", "{by} skips"),
    "product.said.change": ("{by} change la catégorie en « {after} »", "{by} changes the category to “{after}”"),
    "product.before": ("Avant : {category}", "Before: {category}"),
    "product.why": ("Pourquoi : {reason}", "Why: {reason}"),
    "product.role.seller": ("vendeur", "seller"),
    "product.role.admin": ("administrateur", "administrator"),
    "product.change": ("Changer la catégorie", "Change the category"),
    "product.change_code": ("Code ou nom de la nouvelle catégorie", "Code or name of the new category"),
    "product.change_reason": ("Raison (facultative)", "Reason (optional)"),
    "product.change_send": ("Changer", "Change"),
    "product.changed": ("La catégorie est maintenant « {category} ».", "The category is now “{category}”."),
    "product.not_allowed": (
        "La catégorie « {typed} » n’est pas autorisée. Les catégories autorisées sont :",
        "The category “{typed}” is not allowed. The allowed categories are:",
    ),
    # Imports
    "imports.title": ("Importer des produits", "Import products"),
    "imports.lead": (
        "Un fichier CSV pour les textes, une archive ZIP pour les images : tous les produits sont classés en une fois.",
        "A CSV file for the texts, a ZIP archive for the pictures: all products are classified in one go.",
    ),
    "imports.limits": (
        "{products} produits au plus par import. CSV en UTF-8, {csv} Mo au plus ; ZIP de {zip} Mo au plus ; chaque "
        "image {image} Mo au plus (JPEG, PNG, WebP, GIF, BMP ou TIFF).",
        "At most {products} products an import. CSV in UTF-8, at most {csv} MB; ZIP of at most {zip} MB; each picture "
        "at most {image} MB (JPEG, PNG, WebP, GIF, BMP or TIFF).",
    ),
    "imports.columns": (
        "Colonnes : {columns}. La colonne « image » porte le nom du fichier dans l’archive.",
        "Columns: {columns}. The column “image” holds the file’s name in the archive.",
    ),
    "imports.template": ("Télécharger le modèle de CSV", "Download the CSV template"),
    "imports.csv": ("Fichier CSV", "CSV file"),
    "imports.zip": ("Archive ZIP des images", "ZIP archive of the pictures"),
    "imports.zip_optional": ("Archive ZIP des images (facultative)", "ZIP archive of the pictures (optional)"),
    "imports.choose": ("Choisir", "Choose"),
    "imports.drop": ("Déposez le fichier ici ou choisissez-le.", "Drop the file here or choose it."),
    "imports.chosen": ("{name} ({size} Mo)", "{name} ({size} MB)"),
    "imports.chosen_small": ("{name} ({size} ko)", "{name} ({size} kB)"),
    "imports.uploading": (
        "Un fichier est encore en cours d’envoi : un instant.",
        "A file is still being sent: a moment.",
    ),
    "imports.start": ("Lancer l’import", "Start the import"),
    "imports.missing_csv": ("Choisissez d’abord un fichier CSV.", "Choose a CSV file first."),
    "imports.missing_zip": ("Ajoutez l’archive ZIP des images.", "Add the ZIP archive of the pictures."),
    "imports.refused_file": (
        "Ce fichier n’est pas accepté : {kind}, {most} Mo au plus.",
        "This file is not accepted: {kind}, at most {most} MB.",
    ),
    "imports.started": (
        "L’import est lancé. Vous pouvez fermer cette page : il continue sans vous.",
        "The import has started. You can close this page: it goes on without you.",
    ),
    "imports.failed": (
        "Les fichiers de cet import n’ont pas pu être lus jusqu’au bout. Les produits déjà créés restent ; "
        "importez les autres de nouveau.",
        "The files of this import could not be read to the end. The products that were created remain; import the "
        "others again.",
    ),
    "imports.earlier": ("Vos imports", "Your imports"),
    "imports.none": (
        "Aucun import pour l’instant. Téléchargez le modèle, remplissez-le, et déposez-le ci-dessus avec vos images.",
        "No imports yet. Download the template, fill it in, and drop it above together with your pictures.",
    ),
    "imports.state.waiting": ("En attente", "Waiting"),
    "imports.state.running": ("En cours", "Running"),
    "imports.state.done": ("Terminé", "Done"),
    "imports.state.failed": ("Échoué", "Failed"),
    "imports.progress": (
        "{done} sur {total} {total:ligne traitée|lignes traitées}",
        "{done} of {total} {total:line|lines} dealt with",
    ),
    "imports.result": (
        "{done} produits créés, {refused} lignes refusées",
        "{done} products created, {refused} lines refused",
    ),
    "imports.open": ("Voir le détail", "See the details"),
    "imports.detail": ("Import « {name} »", "Import “{name}”"),
    "imports.only_errors": ("Seulement les erreurs", "Errors only"),
    "imports.heading.line": ("Ligne", "Line"),
    "imports.heading.reference": ("Référence", "Reference"),
    "imports.heading.result": ("Résultat", "Result"),
    "imports.created": ("Produit n° {id:id}", "Product no. {id:id}"),
    "imports.no_rows": ("Aucune ligne à montrer.", "No lines to show."),
    # Try it
    "try.title": ("Essayer le classement", "Try the classification"),
    "try.lead": (
        "Un titre, une image ou les deux : voyez la catégorie et pourquoi. Rien n’est enregistré.",
        "A title, a picture or both: see the category and why. Nothing is stored.",
    ),
    "try.send": ("Classer", "Classify"),
    "try.nothing": ("Donnez un titre, une description ou une image.", "Give a title, a description or a picture."),
    "try.result": ("Résultat", "Result"),
    "try.why": ("Pourquoi cette catégorie ?", "Why this category?"),
    "try.why_busy": ("Le modèle s’explique…", "The model explains itself…"),
    "try.no_explanation": (
        "L’explication n’est pas disponible en ce moment.",
        "The explanation is not available at the moment.",
    ),
    "try.unavailable": (
        "Le service de classement ne répond pas en ce moment. Réessayez dans un instant.",
        "The prediction service does not answer at the moment. Try again in a moment.",
    ),
    "try.refused": (
        "Le service n’a pas pu lire ce produit : {reason}",
        "The service could not read this product: {reason}",
    ),
    "try.model": ("Modèle {version}, {milliseconds} ms", "Model {version}, {milliseconds} ms"),
    "try.review.low_confidence": (
        "Le modèle n’est pas assez sûr : un vendeur devrait confirmer cette catégorie à la main.",
        "The model is not sure enough: a seller would have to confirm this category by hand.",
    ),
    "try.review.text_and_picture_disagree": (
        "Le texte et l’image ne parlent pas du même produit : un vendeur devrait confirmer cette catégorie à la main.",
        "Text and picture seem to speak of different products: a seller would have to confirm this category by hand.",
    ),
    "try.example_designation": ("Piscine ronde gonflable 305 cm", "Piscine ronde gonflable 305 cm"),
    "try.example_description": (
        "Piscine hors sol avec pompe de filtration et échelle, montage en dix minutes.",
        "Piscine hors sol avec pompe de filtration et échelle, montage en dix minutes.",
    ),
    "try.example": ("Remplir un exemple", "Fill in an example"),
    # Explanations
    "explain.sentence.text": (
        "D’après le texte, le modèle penche pour « {category} » ({confidence:%}), "
        "devant « {other} » ({other_confidence:%}).",
        "From the text, the model leans towards “{category}” ({confidence:%}), "
        "before “{other}” ({other_confidence:%}).",
    ),
    "explain.sentence.image": (
        "D’après l’image, le modèle penche pour « {category} » ({confidence:%}), "
        "devant « {other} » ({other_confidence:%}).",
        "From the picture, the model leans towards “{category}” ({confidence:%}), "
        "before “{other}” ({other_confidence:%}).",
    ),
    "explain.sentence.both": (
        "D’après le texte et l’image, le modèle penche pour « {category} » ({confidence:%}), devant « {other} » "
        "({other_confidence:%}).",
        "From text and picture, the model leans towards “{category}” ({confidence:%}), before “{other}” "
        "({other_confidence:%}).",
    ),
    "explain.opinions": (
        "À lui seul, le texte en est sûr à {text:%}, l’image seule à {image:%}.",
        "The text alone is {text:%} sure of it, the picture alone {image:%}.",
    ),
    "explain.words": ("Les mots qui ont compté", "The words that counted"),
    "explain.no_text": ("Le texte n’a pas été lu par le modèle.", "The model did not read the text."),
    "explain.words_for": ("Pour cette catégorie (souligné) : {words}", "For this category (underlined): {words}"),
    "explain.words_against": ("Contre elle (pointillé) : {words}", "Against it (dotted): {words}"),
    "explain.picture": ("Les régions de l’image qui ont compté", "The regions of the picture that counted"),
    "explain.picture_alt": (
        "Image du produit telle que le modèle l’a vue ; ce qui a le plus parlé pour la catégorie se trouve {places}.",
        "The product’s picture as the model saw it; what spoke most for the category is {places}.",
    ),
    "explain.picture_nothing": (
        "Image du produit telle que le modèle l’a vue ; aucune région n’a parlé pour la catégorie.",
        "The product’s picture as the model saw it; no region spoke for the category.",
    ),
    "explain.show_map": ("Montrer la carte de chaleur", "Show the heat map"),
    "explain.place.top_left": ("en haut à gauche", "at the top left"),
    "explain.place.top_centre": ("en haut au centre", "at the top centre"),
    "explain.place.top_right": ("en haut à droite", "at the top right"),
    "explain.place.middle_left": ("au milieu à gauche", "in the middle on the left"),
    "explain.place.middle_centre": ("au centre", "at the centre"),
    "explain.place.middle_right": ("au milieu à droite", "in the middle on the right"),
    "explain.place.bottom_left": ("en bas à gauche", "at the bottom left"),
    "explain.place.bottom_centre": ("en bas au centre", "at the bottom centre"),
    "explain.place.bottom_right": ("en bas à droite", "at the bottom right"),
}
